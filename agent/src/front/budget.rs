//! Every bound of the front that is not part of the protocol, each with its reason.

use std::time::Duration;

/// Connections in all that may still be proving who they are.
pub(super) const UNAUTHENTICATED_MAX: usize = 64;
/// Of those, how many may come from one address.
pub(super) const UNAUTHENTICATED_PER_SOURCE: usize = 8;
/// From this many on, arrivals begin to cost somebody the place.
pub(super) const EARLY_DROP_FROM: usize = 10;
/// The chance of that at the first such arrival, in percent; it grows to 100 at the maximum.
pub(super) const EARLY_DROP_PERCENT: usize = 30;
/// A connection that has taken this long for its handshake is the first to lose its place: an
/// honest one needs milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// Connections in all that may wait for a place, unread: many honest clients on one machine.
pub(super) const QUEUED_MAX: usize = 192;
/// Of those, how many may come from one address.
pub(super) const QUEUED_PER_SOURCE: usize = 64;
/// How often such a connection asks again.
pub(super) const QUEUED_STEP: Duration = Duration::from_millis(20);
/// How long it does so: as long as a client waits for a connection.
pub(super) const QUEUED_PATIENCE: Duration = Duration::from_secs(5);
/// TLS bytes from a peer before its hello is complete: a hello and two handshake flights.
pub(super) const UNAUTHENTICATED_BYTES: usize = 32 * 1024;
/// Addresses about which the front remembers something: penalties, lines of the log.
pub(super) const SOURCES_MAX: usize = 1024;

/// Bytes taken from a socket or a pipe at once. One buffer of this size serves the whole process.
pub(super) const READ_PIECE: usize = 64 * 1024;
/// Bytes taken from a socket at once before authentication.
pub(super) const FIRST_READ_PIECE: usize = 4 * 1024;
/// Bytes of frames that are encrypted and handed to the kernel at once: what a control frame may
/// have to wait for.
pub(super) const STAGE: usize = 64 * 1024;
/// Output of one stream in one frame, so that the jobs of a session take turns.
pub(super) const OUTPUT_TURN: usize = 32 * 1024;
/// Stdin that arrives without being acknowledged: small enough to keep a client busy.
pub(super) const STDIN_ACK_STEP: u64 = 64 * 1024;

/// How long something else may hold a pipe open after the command's end.
pub(super) const HELD_OPEN: Duration = Duration::from_millis(200);
/// How long output must have been at rest before the executor is told that all of it is safe: a
/// line of output should not cost two messages.
pub(super) const CLEAN_DELAY: Duration = Duration::from_millis(100);

/// How long to leave new connections alone after the system refused one for want of resources.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Descriptors kept free for the pipes of jobs when new connections are accepted.
pub(super) const DESCRIPTORS_SPARE: usize = 16;
/// Descriptors that a running job needs here.
pub(super) const DESCRIPTORS_PER_JOB: usize = 3;
/// How long a peer that was told why it may not go on may take to read it.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// Characters of a refusal in a line of the log.
pub(super) const LOGGED_REFUSAL: usize = 200;
/// How long sessions may take to send what is queued when the agent stops or closes them.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(2);
