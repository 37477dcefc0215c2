//! Names with several numbers, folded in all of them: `r[1-2]n[1-4]`.
//!
//! Rows that differ in one column only become one row with a set in that column; this is done for
//! one column after the other.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::fold::Index;

/// The numbers of all names with the same text around them: a row for each name.
///
/// Numbers are replaced by their rank among the numbers of their column, so that a row is a few
/// small integers, quick to sort and compare.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Vec<Index>>,
    /// One row after the other.
    ranks: Vec<usize>,
}

/// Rows after merging. A cell is a rank of its column, or else the number of a set of ranks.
#[derive(Debug)]
struct Merged {
    rows: Vec<Vec<usize>>,
    /// The sets of each column.
    sets: Vec<Sets>,
}

/// Sets of ranks in one column, numbered upwards from the number of its ranks.
type Sets = Vec<Vec<usize>>;

impl Table {
    /// Takes rows of `width` numbers, one after the other.
    pub(super) fn new(cells: &[Index], width: usize) -> Self {
        let column = |column: usize| {
            let mut numbers: Vec<Index> =
                cells.iter().skip(column).step_by(width).copied().collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let columns: Vec<Vec<Index>> = (0..width).map(column).collect();
        let rank = |(number, cell): (usize, &Index)| {
            columns[number % width].partition_point(|other| other < cell)
        };
        let ranks = cells.iter().enumerate().map(rank).collect();
        Self { columns, ranks }
    }

    /// Merges the columns and calls `each` with every row that is left, in order, with the numbers
    /// in its columns. Begins with the last column or with the first one, whichever leaves fewer
    /// rows.
    pub(super) fn fold(&self, mut each: impl FnMut(&[Vec<Index>])) {
        let width = self.columns.len();
        let backward = self.merge((0..width).rev());
        let forward = self.merge(0..width);
        let Merged { mut rows, sets } = if forward.rows.len() < backward.rows.len() {
            forward
        } else {
            backward
        };
        rows.sort_unstable_by(|a, b| self.cells(&sets, a).cmp(self.cells(&sets, b)));
        let mut numbers = vec![Vec::new(); width];
        for row in &rows {
            let cells = self.cells(&sets, row).zip(&self.columns);
            for ((ranks, column), numbers) in cells.zip(&mut numbers) {
                numbers.clear();
                numbers.extend(ranks.iter().map(|rank| column[*rank]));
            }
            each(&numbers);
        }
    }

    /// The ranks in each cell of a merged row.
    fn cells<'a>(
        &'a self,
        sets: &'a [Sets],
        row: &'a [usize],
    ) -> impl Iterator<Item = &'a [usize]> {
        let columns = self.columns.iter().zip(sets);
        row.iter().zip(columns).map(
            |(cell, (column, sets))| match cell.checked_sub(column.len()) {
                None => std::slice::from_ref(cell),
                Some(number) => sets[number].as_slice(),
            },
        )
    }

    fn merge(&self, order: impl Iterator<Item = usize>) -> Merged {
        let chunks = self.ranks.chunks_exact(self.columns.len());
        let mut rows: Vec<Vec<usize>> = chunks.map(<[usize]>::to_vec).collect();
        let mut sets = vec![Vec::new(); self.columns.len()];
        for column in order {
            rows.sort_unstable_by(|a, b| others(column, a, b).then(a[column].cmp(&b[column])));
            rows.dedup();
            let ranks = self.columns[column].len();
            // A column is merged once, so all that is merged in it are ranks.
            let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
            let same_others = |a: &Vec<usize>, b: &Vec<usize>| others(column, a, b).is_eq();
            let merge = |same: &mut [Vec<usize>]| {
                let set: Vec<usize> = same.iter().map(|row| row[column]).collect();
                let mut row = std::mem::take(&mut same[0]);
                if set.len() > 1 {
                    let next = ranks + known.len();
                    row[column] = *known.entry(set).or_insert(next);
                }
                row
            };
            rows = rows.chunk_by_mut(same_others).map(merge).collect();
            let mut numbered: Vec<(Vec<usize>, usize)> = known.into_iter().collect();
            numbered.sort_unstable_by_key(|(_, number)| *number);
            sets[column] = numbered.into_iter().map(|(set, _)| set).collect();
        }
        Merged { rows, sets }
    }
}

/// Compares all columns but one.
fn others(column: usize, a: &[usize], b: &[usize]) -> Ordering {
    let before = a[..column].cmp(&b[..column]);
    before.then_with(|| a[column + 1..].cmp(&b[column + 1..]))
}
