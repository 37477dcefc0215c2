//! What a person can do about an error.

/// An error that knows what to do next.
pub trait Hint {
    /// Commands to type or files to edit, with real values, most useful first.
    fn hints(&self) -> Vec<String>;
}
