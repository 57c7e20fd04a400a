//! What a listener's two queues hold for each n, with the rule that fits.

use super::series::{Series, every, points, settings};
use super::{Named, absent, nothing, rims, small};
use crate::measure::card::{Experiment, Inferred, Value};
use crate::report::picture::page::{Align, Drawn, FAINT, LABEL, Page, Stroke, fitted};
use crate::report::picture::palette;
use crate::report::picture::panel::{Frame, Panel};
use crate::report::picture::scale::{Scale, Tick, number};

/// Beginning of the names of the experiments whose capacity this is.
const ACCEPT: &str = "tcp.accept_queue";
const HALF_OPEN: &str = "tcp.syn_queue";
/// Most inputs that have a place of their own, and most lines.
const COLUMNS: usize = 14;
const LINES: usize = 8;
/// Height of a line of the legend, and columns that a legend takes at the right.
const LINE: i32 = 44;

/// Draws what accept queues hold.
pub fn accept(page: &Page, frame: Frame, cards: &[Named]) -> Drawn {
    draw(page, frame, cards, ACCEPT)
}

/// Draws what SYN queues hold, and what becomes of the next SYN.
pub fn half_open(page: &Page, frame: Frame, cards: &[Named]) -> Drawn {
    draw(page, frame, cards, HALF_OPEN)
}

fn draw(page: &Page, frame: Frame, cards: &[Named], queue: &str) -> Drawn {
    let wanted = |experiment: &Experiment, one: &Inferred| {
        experiment.id.starts_with(queue) && matches!(one.name.as_str(), "capacity" | "onset")
    };
    let name = |experiment: &Experiment, _: &Inferred| {
        let kind = experiment.id.trim_start_matches(queue).trim_start_matches('.');
        let kind = if kind.is_empty() { "as it is" } else { kind };
        match (queue, settings(experiment)) {
            // There the name says it.
            (ACCEPT, settings) if !settings.is_empty() => format!("{kind}, {settings}"),
            _ => kind.replace('_', " "),
        }
    };
    let mut lines = every(cards, wanted, name);
    fold(&mut lines, cards);
    lines.retain(|line| !points(line.value).is_empty());
    lines.truncate(LINES);
    let inputs = inputs(&lines);
    if inputs.is_empty() {
        return nothing(page, frame, "The capacity is not known.");
    }
    let legend = LINE * lines.len() as i32;
    let plot = Frame {
        left: frame.left + 130,
        right: frame.right - 20,
        top: frame.top + legend + 40,
        bottom: frame.bottom - 60,
    };
    let counts = lines.iter().flat_map(|line| points(line.value)).map(|(_, count)| *count as f64);
    let y = Scale::counts(counts.fold(1.0, f64::max), 1.0);
    let panel = Panel::new(page, plot, Scale::linear(-0.5, inputs.len() as f64 - 0.5), y);
    panel.rows(&y.count_ticks(5))?;
    panel.columns(&marks(&inputs), true)?;
    panel.floor()?;
    let rims = rims(&lines.iter().map(|line| points(line.value)).collect::<Vec<_>>());
    for (index, (line, rim)) in lines.iter().zip(rims).enumerate() {
        let stroke = palette::series(index);
        curve(page, &panel, line, &inputs, Stroke { width: 4 + rim, ..stroke })?;
        let at = (frame.left, frame.top + 10 + LINE * index as i32);
        let words = format!("{}{}", line.name, rule(cards, line));
        let words = fitted(&words, LABEL, true, frame.right - frame.left);
        page.text(at, Align::Left, &words, (LABEL, true), stroke.colour)?;
    }
    if lines.len() == 1 {
        figures(page, &panel, &lines[0], &inputs)?;
    }
    let mut words = absent(cards, lines.iter().map(|line| line.card));
    if inputs.len() == COLUMNS {
        words = format!("at most {COLUMNS} of the values are shown {words}");
    }
    small(page, (plot.right, plot.top - 10), Align::Right, words.trim_end(), 700)?;
    small(page, (frame.left, plot.bottom + 34), Align::Left, "n", 60)
}

/// Lines of one card that are the same become one.
fn fold(lines: &mut Vec<Series>, cards: &[Named]) {
    let mut kept: Vec<Series> = Vec::new();
    for line in lines.drain(..) {
        let alike = |one: &&mut Series| {
            let card = one.card == line.card && one.value == line.value;
            // What the legend says of one is to hold for the other.
            let rule = rule(cards, &line);
            card && (rule.is_empty() || rule == self::rule(cards, one))
        };
        match kept.iter_mut().find(alike) {
            Some(one) => {
                // The card's letter stands once.
                let letter = cards.get(line.card).map_or("", |(letter, _)| letter.as_str());
                let kind = line.name.strip_prefix(letter).unwrap_or(&line.name).trim_start();
                one.name = format!("{} and {kind}", one.name);
            }
            None => kept.push(line),
        }
    }
    *lines = kept;
}

/// Every input, rising, and negative ones, which mean as many as possible, last.
fn inputs(lines: &[Series]) -> Vec<i64> {
    let mut inputs: Vec<i64> =
        lines.iter().flat_map(|line| points(line.value)).map(|(of, _)| *of).collect();
    inputs.sort_unstable_by_key(|of| (*of < 0, *of));
    inputs.dedup();
    inputs.truncate(COLUMNS);
    inputs
}

fn marks(inputs: &[i64]) -> Vec<Tick> {
    let each = inputs.iter().enumerate();
    each.map(|(index, of)| Tick { at: index as f64, label: number(*of as f64) }).collect()
}

fn curve(page: &Page, panel: &Panel, line: &Series, inputs: &[i64], stroke: Stroke) -> Drawn {
    let place = |(of, count): &(i64, i64)| {
        let column = inputs.iter().position(|input| input == of)?;
        Some((column as f64, *count as f64))
    };
    let mut places: Vec<_> = points(line.value).iter().filter_map(place).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    panel.curve(&places, stroke)?;
    for (x, count) in places {
        let at = (panel.x(x), panel.y(count));
        page.disc(at, 7 + stroke.width, stroke.colour)?;
        let words = format!("{}: {count} for {}", line.name, inputs[x as usize]);
        page.note((at.0 - 24, at.1 - 24), (at.0 + 24, at.1 + 24), &words)?;
    }
    Ok(())
}

/// The numbers above the marks of a line that stands alone.
fn figures(page: &Page, panel: &Panel, line: &Series, inputs: &[i64]) -> Drawn {
    for (of, count) in points(line.value) {
        let Some(column) = inputs.iter().position(|input| input == of) else { continue };
        let at = (panel.x(column as f64), panel.y(*count as f64) - 34);
        page.text(at, Align::Centre, &number(*count as f64), (LABEL - 4, true), FAINT)?;
    }
    Ok(())
}

/// The rule, the clamp and what is beyond it, as the same experiment found them.
fn rule(cards: &[Named], line: &Series) -> String {
    let of = |name: &str| {
        // By name alone: the other family, which says the same, may have it as well.
        let card = cards.get(line.card).map(|(_, card)| card)?;
        let same = card.experiments.iter().filter(|one| {
            (&one.id, &one.settings) == (&line.experiment.id, &line.experiment.settings)
        });
        same.filter_map(|one| one.value(name)).next()
    };
    let rule = match of("rule") {
        Some(Value::Word { word }) => format!(": {}", crate::report::card::clean(word)),
        _ => String::new(),
    };
    match of("clamp") {
        Some(Value::Count { count, .. }) => format!("{rule}, at most {}", number(*count as f64)),
        Some(Value::Word { word }) => format!("{rule}, {}", crate::report::card::clean(word)),
        _ => match of("beyond") {
            Some(Value::Word { word }) => {
                format!("{rule}, then {}", crate::report::card::clean(word))
            }
            _ => rule,
        },
    }
}
