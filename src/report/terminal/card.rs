//! A backlog card at the terminal: a line a value, what differs from what is known, what is missing.

use super::{NARROWEST, Sheet, Tone, WIDEST};
use crate::measure::card::Card;
use crate::measure::result::Status;
use crate::report::card::rows::{Group, Known, Row, groups, reasons, summary};
use crate::report::card::{clean, title};
use crate::report::text::{columns, shorten, wrap};
use crate::verdict::cards;

/// Columns of a value's name, with the indentation before it.
const NAME: usize = 18;
/// Columns of confidence and of what is expected, with the gaps before them.
const SURE: usize = 8;
const EXPECTED: usize = 14;

/// The table of a card; `width` is the terminal's, `colour` whether it takes colours.
pub fn card(card: &Card, width: usize, colour: bool) -> String {
    let mut sheet = Sheet { text: String::new(), width: width.clamp(NARROWEST, WIDEST), colour };
    sheet.say(Tone::Heading, "backlog card: ", &title(card));
    let place = cards::place(&card.place);
    let (depth, methods) = (cards::depth(card.depth), cards::methods(card.methods));
    sheet.say(Tone::Plain, "  ", &clean(&format!("{depth}; {methods} methods; {place}")));
    let groups = groups(card);
    for group in groups.iter().filter(|group| !group.rows.is_empty()) {
        sheet.blank();
        table(&mut sheet, group);
    }
    let reasons = reasons(&groups);
    if !reasons.is_empty() {
        sheet.blank();
        sheet.say(Tone::Heading, "", "not found out");
    }
    for (missing, names) in reasons {
        sheet.say(Tone::Doubtful, "  ", &clean(&missing.why));
        sheet.say(Tone::Plain, "    help: ", &clean(&missing.remedy));
        sheet.say(Tone::Plain, "    concerns: ", &names.join("; "));
    }
    sheet.blank();
    if let Status::Partial { reason } = &card.status {
        sheet.say(Tone::Doubtful, "partial: ", &clean(reason));
    }
    sheet.say(Tone::Plain, "", &summary(card));
    sheet.text
}

fn table(sheet: &mut Sheet, group: &Group) {
    let remark = match group.remark.as_str() {
        "" => String::new(),
        remark => format!(" ({remark})"),
    };
    sheet.say(Tone::Heading, "", &format!("{}{remark}", group.id));
    for row in &group.rows {
        value(sheet, row);
    }
}

/// A value on as many lines as it takes, with confidence and expectation beside the first.
fn value(sheet: &mut Sheet, row: &Row) {
    let room = sheet.width - SURE - EXPECTED;
    let name = shorten(&row.name, NAME - 3);
    let first = format!("  {name}{}", " ".repeat(NAME - 2 - columns(&name)));
    let tone = match row.known {
        Known::Agrees => Tone::Good,
        Known::Differs(..) => Tone::Bad,
        Known::Nothing => Tone::Plain,
    };
    for (index, line) in wrap(&first, &row.value, room).iter().enumerate() {
        if index > 0 {
            sheet.line(tone, line);
            continue;
        }
        let gap = " ".repeat(room.saturating_sub(columns(line)));
        let (sure, known) = (row.confidence, row.known.word());
        sheet.line(tone, &format!("{line}{gap}  {sure:<6}  {known}"));
    }
    if let Known::Differs(value, source) = &row.known {
        sheet.say(tone, "      expected ", &format!("{value} ({source})"));
    }
}
