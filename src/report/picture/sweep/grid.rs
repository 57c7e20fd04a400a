//! Which cell is drawn in which panel, and where in it.

use super::super::scale::Scale;
use crate::measure::result::CellResult;
use crate::scenario::plan::AxisValue;
use crate::units::Quantity;

/// Most columns of panels.
const MOST_COLUMNS: usize = 6;
/// Most rows of panels, where each is a combination of swept values.
const MOST_LINES: usize = 4;
/// Least distance of two marks, in pixels, for a numeric axis to be of use.
const APART: f64 = 120.0;

/// The panels.
pub struct Grid {
    /// Values of the first key, in their order: places on the horizontal axis.
    pub places: Vec<String>,
    /// What each column has in common: a value of the second key; nothing without one.
    pub columns: Vec<String>,
    /// What each line has in common: values of all other keys; nothing with at most two keys.
    combinations: Vec<String>,
    /// Of each cell: place, column and combination.
    cells: Vec<[usize; 3]>,
    /// Columns and combinations for which there is no room.
    surplus: [usize; 2],
}

/// One line of panels.
pub struct Line {
    /// Which measure it shows.
    pub row: usize,
    /// What its cells have in common.
    pub name: String,
    /// Its cells, column by column.
    pub cells: Vec<Vec<usize>>,
}

impl Grid {
    /// The panels for these cells.
    pub fn of(cells: &[CellResult]) -> Self {
        let mut names: [Vec<String>; 3] = Default::default();
        let assigned = cells.iter().map(|cell| {
            let place = cell.axes.first().map_or(&cell.name, |axis| &axis.value).clone();
            let column = cell.axes.get(1).map_or_else(String::new, named);
            let rest: Vec<_> = cell.axes.iter().skip(2).map(named).collect();
            let of_cell = [place, column, rest.join(", ")];
            let mut numbers =
                of_cell.into_iter().zip(&mut names).map(|(n, known)| number(known, n));
            [(); 3].map(|()| numbers.next().unwrap_or_default())
        });
        let cells = assigned.collect();
        let [places, mut columns, mut combinations] = names;
        let surplus = [
            columns.len().saturating_sub(MOST_COLUMNS),
            combinations.len().saturating_sub(MOST_LINES),
        ];
        columns.truncate(MOST_COLUMNS);
        combinations.truncate(MOST_LINES);
        Self { places, columns, combinations, cells, surplus }
    }

    /// A remark on what is not drawn; often empty.
    pub fn left_out(&self) -> String {
        let [columns, combinations] = self.surplus;
        let remark = |left: usize, shown: usize, what: &str| match left {
            0 => String::new(),
            _ => format!(" · first {shown} of {} {what}", left + shown),
        };
        let lines = remark(combinations, self.combinations.len(), "lines");
        remark(columns, self.columns.len(), "columns") + &lines
    }

    /// The lines of panels where there are `rows` measures.
    pub fn lines(&self, rows: usize) -> Vec<Line> {
        let line = |row: usize, combination: usize, name: &str| Line {
            row,
            name: name.to_owned(),
            cells: (0..self.columns.len()).map(|column| self.panel(column, combination)).collect(),
        };
        match self.combinations.as_slice() {
            [_] => (0..rows).map(|row| line(row, 0, "")).collect(),
            several => several.iter().enumerate().map(|(c, name)| line(0, c, name)).collect(),
        }
    }

    /// The place of a cell on the horizontal axis.
    pub fn place_of(&self, cell: usize) -> usize {
        self.cells.get(cell).map_or(0, |[place, ..]| *place)
    }

    /// The horizontal scale, which all panels share, and the places on it: by value where all are
    /// numbers of one unit in their order that do not crowd in `width` pixels, else one after the
    /// other.
    pub fn positions(&self, width: f64) -> (Scale, Vec<f64>) {
        if let Some(values) = self.values() {
            let scale = Scale::log(values[0] / 1.5, values[values.len() - 1] * 1.5);
            let near = |w: &[f64]| (scale.share(w[1]) - scale.share(w[0])) * width < APART;
            if !values.windows(2).any(near) {
                return (scale, values);
            }
        }
        let count = self.places.len();
        (Scale::linear(-0.5, count as f64 - 0.5), (0..count).map(|n| n as f64).collect())
    }

    fn values(&self) -> Option<Vec<f64>> {
        let read: Result<Vec<Quantity>, _> = self.places.iter().map(|text| text.parse()).collect();
        let read = read.ok().filter(|read| read.len() > 1)?;
        let values: Vec<f64> = read.iter().map(|quantity| quantity.value()).collect();
        let alike = read.windows(2).all(|pair| pair[0].is_like(pair[1]));
        (alike && values.is_sorted_by(|a, b| a < b)).then_some(values)
    }

    /// The cells of a panel, in the order of their places.
    fn panel(&self, column: usize, combination: usize) -> Vec<usize> {
        let here = |[_, c, l]: &[usize; 3]| (*c, *l) == (column, combination);
        let cells = self.cells.iter().enumerate().filter(|(_, assigned)| here(assigned));
        let mut cells: Vec<_> = cells.map(|(cell, _)| cell).collect();
        cells.sort_by_key(|cell| self.place_of(*cell));
        cells
    }
}

/// The number of a name among those known, of which it becomes one.
fn number(known: &mut Vec<String>, name: String) -> usize {
    known.iter().position(|other| *other == name).unwrap_or_else(|| {
        known.push(name);
        known.len() - 1
    })
}

/// A value with the last word of its key.
fn named(axis: &AxisValue) -> String {
    let key = axis.path.rsplit('.').next().unwrap_or_default();
    format!("{key} = {}", axis.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn cells(axes: &[(&str, &[&str])]) -> Vec<CellResult> {
        let cell = sample::backlog().cells.remove(0);
        let mut all = vec![CellResult { axes: Vec::new(), ..cell }];
        for (path, values) in axes {
            let with = |cell: CellResult| {
                values.iter().map(move |value| {
                    let mut cell = cell.clone();
                    let (path, value) = (path.to_string(), value.to_string());
                    cell.axes.push(AxisValue { path, value });
                    cell
                })
            };
            all = all.into_iter().flat_map(with).collect();
        }
        all
    }

    #[test]
    fn one_key_is_one_column_with_a_line_a_measure() {
        let grid = Grid::of(&cells(&[("target.backlog", &["5", "128", "1024"])]));
        assert_eq!((grid.columns.as_slice(), grid.left_out().as_str()), (&[String::new()][..], ""));
        let lines = grid.lines(4);
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.cells == [[0, 1, 2]]));
        assert_eq!(grid.positions(2000.0).1, [5.0, 128.0, 1024.0]);
        assert_eq!(grid.positions(200.0).1, [0.0, 1.0, 2.0], "they would crowd");
    }

    #[test]
    fn a_second_key_makes_columns_and_a_third_lines() {
        let two: [(&str, &[&str]); 2] =
            [("load.rate", &["9/s", "1/ms"]), ("a.b", &["x", "y", "z"])];
        let grid = Grid::of(&cells(&two));
        assert_eq!(grid.columns, ["b = x", "b = y", "b = z"]);
        assert_eq!(grid.lines(4)[3].cells, [[0, 3], [1, 4], [2, 5]]);
        assert_eq!(grid.positions(900.0).1, [9.0, 1000.0]);
        let many: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let four: [(&str, &[&str]); 4] = [
            ("load.rate", &["9/s", "asap"]),
            ("a.b", &many),
            ("c", &["1", "2"]),
            ("d", &["3", "4", "5"]),
        ];
        let grid = Grid::of(&cells(&four));
        assert_eq!(grid.left_out(), " · first 6 of 9 columns · first 4 of 6 lines");
        let lines = grid.lines(4);
        assert_eq!((lines.len(), lines[0].cells.len()), (4, 6), "24 panels");
        assert_eq!(lines[1].name, "c = 1, d = 4");
        assert!(lines.iter().all(|line| line.row == 0), "latency");
        assert_eq!(grid.positions(900.0).1, [0.0, 1.0], "not numbers");
    }

    #[test]
    fn what_was_not_run_leaves_gaps() {
        let mut some = cells(&[("k", &["1", "2"]), ("l", &["3", "4"])]);
        some.remove(1);
        let grid = Grid::of(&some);
        assert_eq!(grid.lines(1)[0].cells, [vec![0, 1], vec![2]]);
        assert!(Grid::of(&[]).lines(4).iter().all(|line| line.cells.is_empty()));
    }
}
