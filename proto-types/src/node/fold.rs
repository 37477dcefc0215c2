//! Names folded into the shortest usual text: `n[1-3,7],r[1-2]n[01-16]`.
//!
//! Names with the same text around their numbers make a table: a row for each name, a column for
//! each number. Rows that differ in one column only become one row with a set in that column, one
//! column after the other. Order, padding and ranges are those of `ClusterShell`.

use std::collections::BTreeMap;

use super::name::NodeName;
use super::pattern::push_number;
use super::range::DIGITS_MAX;

/// The names as text, folded, sorted, without duplicates. It depends on the names alone and not
/// on their order, and [`super::NodeSet::parse`] reads the same names from it.
#[must_use]
pub fn fold_names<'a>(names: impl IntoIterator<Item = &'a NodeName>) -> String {
    let mut tables: BTreeMap<String, Vec<Vec<Index>>> = BTreeMap::new();
    let mut skeleton = String::new();
    for name in names {
        skeleton.clear();
        let row = split(name.as_str(), &mut skeleton);
        match tables.get_mut(&skeleton) {
            Some(rows) => rows.push(row),
            None => drop(tables.insert(skeleton.clone(), vec![row])),
        }
    }
    let mut text = String::new();
    for (skeleton, rows) in tables {
        let table = Table::new(rows);
        for row in table.fold() {
            if !text.is_empty() {
                text.push(',');
            }
            table.write_row(&skeleton, &row, &mut text);
        }
    }
    text
}

/// A number as it is written in a name. Sorted as `ClusterShell` does: shorter ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Index {
    width: usize,
    value: u64,
}

impl Index {
    /// Whether it begins with zeros for the sake of its width.
    fn is_padded(self) -> bool {
        let digits = self.value.checked_ilog10().unwrap_or(0) + 1;
        usize::try_from(digits).is_ok_and(|digits| digits < self.width)
    }
}

/// Stands for a number in a skeleton. No name has this character, and it sorts before all others.
const HOLE: char = '\0';

/// Takes the numbers out of a name.
fn split(name: &str, skeleton: &mut String) -> Vec<Index> {
    let mut row = Vec::new();
    // The brackets of an address and those of a range would not go together.
    let mut rest = if name.starts_with('[') { "" } else { name };
    skeleton.push_str(&name[..name.len() - rest.len()]);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        skeleton.push_str(before);
        let end = from
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        rest = after;
        match digits.parse() {
            Ok(value) if digits.len() <= DIGITS_MAX => {
                skeleton.push(HOLE);
                row.push(Index {
                    width: digits.len(),
                    value,
                });
            }
            // Longer than any number counted with: it stays as it is.
            _ => skeleton.push_str(digits),
        }
    }
    skeleton.push_str(rest);
    row
}

/// The numbers of all names with one skeleton.
///
/// Numbers are replaced by their rank among the numbers of their column, so that a row is a few
/// small integers, quick to sort and compare.
#[derive(Debug)]
struct Table {
    columns: Vec<Vec<Index>>,
    rows: Vec<Vec<usize>>,
}

/// A row of a folded table: the ranks that stand in each column.
type FoldedRow = Vec<Vec<usize>>;

impl Table {
    fn new(rows: Vec<Vec<Index>>) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let columns: Vec<Vec<Index>> = (0..width)
            .map(|column| {
                let mut values: Vec<Index> = rows.iter().map(|row| row[column]).collect();
                values.sort_unstable();
                values.dedup();
                values
            })
            .collect();
        let rank = |(values, index): (&Vec<Index>, Index)| values.partition_point(|v| *v < index);
        let mut rows: Vec<Vec<usize>> = rows
            .into_iter()
            .map(|row| columns.iter().zip(row).map(rank).collect())
            .collect();
        rows.sort_unstable();
        rows.dedup();
        Self { columns, rows }
    }

    /// The fewest rows that merging the columns one after the other gives, from the last one or
    /// from the first one.
    fn fold(&self) -> Vec<FoldedRow> {
        let width = self.columns.len();
        let backward = self.merge((0..width).rev());
        if width < 2 {
            return backward;
        }
        let forward = self.merge(0..width);
        if forward.len() < backward.len() {
            forward
        } else {
            backward
        }
    }

    fn merge(&self, order: impl Iterator<Item = usize>) -> Vec<FoldedRow> {
        let mut rows = self.rows.clone();
        // Sets of ranks get numbers above the ranks of their column. A column is merged once, so
        // what is merged are always ranks.
        let mut sets: Vec<Vec<Vec<usize>>> = vec![Vec::new(); self.columns.len()];
        for column in order {
            let others = |row: &Vec<usize>, other: &Vec<usize>| {
                row[..column]
                    .cmp(&other[..column])
                    .then_with(|| row[column + 1..].cmp(&other[column + 1..]))
            };
            rows.sort_unstable_by(|a, b| others(a, b).then(a[column].cmp(&b[column])));
            let ranks = self.columns[column].len();
            let mut numbers: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
            let merged = rows.chunk_by(|a, b| others(a, b).is_eq()).map(|same| {
                let mut row = same[0].clone();
                if same.len() > 1 {
                    let set: Vec<usize> = same.iter().map(|row| row[column]).collect();
                    let next = ranks + numbers.len();
                    row[column] = *numbers.entry(set).or_insert_with_key(|set| {
                        sets[column].push(set.clone());
                        next
                    });
                }
                row
            });
            rows = merged.collect();
        }
        let ranks_of = |row: Vec<usize>| -> FoldedRow {
            let cells = row.into_iter().zip(&self.columns).zip(&sets);
            cells
                .map(
                    |((cell, values), sets)| match cell.checked_sub(values.len()) {
                        None => vec![cell],
                        Some(set) => sets[set].clone(),
                    },
                )
                .collect()
        };
        let mut folded: Vec<FoldedRow> = rows.into_iter().map(ranks_of).collect();
        folded.sort_unstable();
        folded
    }

    fn write_row(&self, skeleton: &str, row: &FoldedRow, text: &mut String) {
        let mut cells = row.iter().zip(&self.columns);
        for (nth, literal) in skeleton.split(HOLE).enumerate() {
            if nth > 0
                && let Some((ranks, values)) = cells.next()
            {
                write_ranges(ranks.iter().map(|rank| values[*rank]), text);
            }
            text.push_str(literal);
        }
    }
}

/// Writes sorted numbers: one as it is, several in brackets, with neighbours as ranges.
fn write_ranges(numbers: impl ExactSizeIterator<Item = Index>, text: &mut String) {
    if numbers.len() == 1 {
        numbers.for_each(|index| push_number(text, index.value, index.width));
        return;
    }
    text.push('[');
    let mut run: Option<(Index, Index)> = None;
    for index in numbers {
        run = Some(match run {
            Some((first, last)) if continues(first, last, index) => (first, index),
            Some(done) => {
                write_run(done, text);
                text.push(',');
                (index, index)
            }
            None => (index, index),
        });
    }
    if let Some(last) = run {
        write_run(last, text);
    }
    text.push(']');
}

/// Whether `next` prolongs the range from `first` to `last`. A padded range keeps its width; one
/// without padding goes from 9 to 10.
fn continues(first: Index, last: Index, next: Index) -> bool {
    let same_kind = if first.is_padded() {
        next.width == first.width
    } else {
        !next.is_padded()
    };
    same_kind && last.value.checked_add(1) == Some(next.value)
}

fn write_run((first, last): (Index, Index), text: &mut String) {
    push_number(text, first.value, first.width);
    if first != last {
        text.push('-');
        push_number(text, last.value, last.width);
    }
}
