//! What an operator may do on a node: the rules of a policy file and their decision. No I/O, no clock.
