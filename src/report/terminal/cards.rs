//! Backlog cards beside each other at the terminal: what differs first, what is equal as a number.

use super::{NARROWEST, Sheet, Tone, WIDEST};
use crate::report::card::{clean, found_at, telling, title};
use crate::report::text::letter;
use crate::verdict::cards::{Comparison, Kind, Line};

/// The comparison; equal values are listed where `all`. `width` is the terminal's, `colour` whether it
/// takes colours.
pub fn cards(found: &Comparison, all: bool, width: usize, colour: bool) -> String {
    let mut sheet = Sheet { text: String::new(), width: width.clamp(NARROWEST, WIDEST), colour };
    for (index, card) in found.cards.iter().enumerate() {
        sheet.say(Tone::Heading, &format!("{}  ", letter(index)), &title(card));
    }
    for (what, each) in &found.unlike {
        let each =
            each.iter().enumerate().map(|(n, told)| format!("{} {}", letter(n), clean(told)));
        let each = each.collect::<Vec<_>>().join("; ");
        sheet.say(Tone::Doubtful, "", &format!("not made alike: {what}: {each}"));
    }
    part(&mut sheet, found, Kind::Different, "differ", "differs");
    part(&mut sheet, found, Kind::Within, WITHIN, "differs within the uncertainty");
    part(&mut sheet, found, Kind::Lacking, "are not in every card", "is not in every card");
    sheet.blank();
    let equal = found.count(Kind::Same);
    if all {
        part(&mut sheet, found, Kind::Same, "are equal", "is equal");
    } else {
        let fold = if equal > 0 { " (--all lists them)" } else { "" };
        sheet.say(Tone::Good, "", &format!("{}{fold}", counted(equal, "are equal", "is equal")));
    }
    sheet.text
}

const WITHIN: &str = "differ within the uncertainty";

fn counted(count: usize, many: &str, one: &str) -> String {
    match count {
        0 => format!("no value {one}"),
        1 => format!("1 value {one}"),
        _ => format!("{count} values {many}"),
    }
}

/// The lines of one kind, under how many they are; of differences also that there are none.
fn part(sheet: &mut Sheet, found: &Comparison, kind: Kind, many: &str, one: &str) {
    let count = found.count(kind);
    if count == 0 && kind != Kind::Different {
        return;
    }
    let tone = match kind {
        Kind::Different if count > 0 => Tone::Bad,
        Kind::Within | Kind::Lacking => Tone::Doubtful,
        _ => Tone::Good,
    };
    sheet.blank();
    sheet.say(tone, "", &counted(count, many, one));
    found.of(kind).for_each(|line| told(sheet, line));
}

fn told(sheet: &mut Sheet, line: &Line) {
    let remark = match found_at(line) {
        remark if remark.is_empty() => remark,
        remark => format!(" ({remark})"),
    };
    let (id, name) = (clean(&line.key.id), clean(&line.key.name));
    sheet.say(Tone::Heading, "  ", &format!("{id}: {name}{remark}"));
    if line.kind == Kind::Same {
        let value = line.shown(0).unwrap_or_default();
        return sheet.say(Tone::Plain, "      ", &clean(&value));
    }
    for (index, one) in line.told.iter().enumerate() {
        let value = line.shown(index).map_or_else(|| telling(one), |value| clean(&value));
        sheet.say(Tone::Plain, &format!("    {}  ", letter(index)), &value);
    }
}
