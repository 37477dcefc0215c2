//! The text of a `known_nodes` file. What `dtx` does not change stays as its owner wrote it.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::PinsError;
use super::line::Line;

/// The pins of a text, each with its line number, from 1.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<(usize, Line)>, PinsError> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let at = |source| PinsError::Line {
            path: path.to_owned(),
            line: number,
            source,
        };
        // Names and keys are ASCII; a comment may be anything.
        let line = String::from_utf8_lossy(line);
        if let Some(line) = Line::parse(&line).map_err(at)? {
            lines.push((number, line));
        }
    }
    Ok(lines)
}

/// The text with these lines after it.
pub(super) fn append(bytes: &[u8], lines: &[Line]) -> Vec<u8> {
    let mut text = bytes.to_vec();
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    for line in lines {
        text.extend_from_slice(line.to_string().as_bytes());
        text.push(b'\n');
    }
    text
}

/// The text without the lines of these numbers.
pub(super) fn without(bytes: &[u8], numbers: &BTreeSet<usize>) -> Vec<u8> {
    (1..)
        .zip(bytes.split_inclusive(|byte| *byte == b'\n'))
        .filter(|(number, _)| !numbers.contains(number))
        .flat_map(|(_, line)| line)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_leave_the_rest_alone() {
        let fingerprint = "SHA256:fgFpxdOi8GqbK5N0gW7bZk1T8yu0VfxRrnMnA/RqrQc";
        let text = format!("# my nödes\n\nc n1 {fingerprint}\nc n2 {fingerprint}");
        let bytes = text.as_bytes();
        let path = Path::new("/known");
        let lines = parse(bytes, path).unwrap();
        let numbers: Vec<usize> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [3, 4]);
        let more = append(bytes, &[lines[0].1.clone()]);
        assert_eq!(more, format!("{text}\nc n1 {fingerprint}\n").as_bytes());
        assert_eq!(append(b"", &[]), b"");
        let less = without(&more, &[3, 5].into());
        assert_eq!(
            less,
            format!("# my nödes\n\nc n2 {fingerprint}\n").as_bytes()
        );
        let wrong = append(&more, &[]);
        let error = parse(&[&wrong[..], b"c n9\n"].concat(), path).unwrap_err();
        assert!(error.to_string().starts_with("/known:6: "), "{error}");
    }
}
