//! A comparison as JUnit XML: a suite, and a test case for each metric that counts.
//!
//! What got worse is a failure. What is not known is `skipped`, with the reason: CI systems mark a
//! job red for an `error`, and a machine that was too noisy is no fault of the change. That nothing
//! was proven is what the exit status says (4).

use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

use super::words::{headline, notes, place, reasons, sentence, subject, word};
use crate::measure::comparison::{Change, ComparedMetric, ComparisonResult};
use crate::report::card::clean;

/// So many metrics are cases.
const CASES: usize = 10_000;

/// What a case is called that stands for the whole comparison.
const WHOLE: &str = "comparison";

type Xml = Writer<Vec<u8>>;
type Written = std::io::Result<()>;

/// The comparison as XML, in UTF-8.
pub fn junit(found: &ComparisonResult) -> Vec<u8> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    document(&mut xml, found).expect("memory takes every byte");
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    bytes
}

/// One case: in which class, of what name, and how it came out.
struct Case<'c> {
    class: String,
    name: String,
    change: &'c Change,
    text: String,
}

fn document(xml: &mut Xml, found: &ComparisonResult) -> Written {
    let declaration = quick_xml::events::BytesDecl::new("1.0", Some("UTF-8"), None);
    xml.write_event(Event::Decl(declaration))?;
    let cases = cases(found);
    let failures = cases.iter().filter(|case| *case.change == Change::Worse).count().to_string();
    let skipped = cases.iter().filter(|case| reason(case.change).is_some()).count().to_string();
    let (all, scenario) = (cases.len().to_string(), valid(&clean(&found.scenario)));
    let counts = [("tests", all.as_str()), ("failures", failures.as_str()), ("errors", "0")];
    let root = xml.create_element("testsuites").with_attribute(("name", "loadgen"));
    root.with_attributes(counts).write_inner_content(|xml| {
        let suite = xml.create_element("testsuite").with_attribute(("name", scenario.as_str()));
        let suite = suite.with_attributes(counts).with_attribute(("skipped", skipped.as_str()));
        let started = valid(&clean(&found.candidate.started_at));
        let suite = suite.with_attribute(("timestamp", started.as_str()));
        suite.write_inner_content(|xml| {
            properties(xml, found)?;
            cases.iter().try_for_each(|case| written(xml, case))?;
            let text = valid(&super::text(found, 80));
            xml.create_element("system-out").write_text_content(BytesText::new(&text))?;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

/// A case for each metric that counts, and one for the whole where none of them says what it does.
fn cases(found: &ComparisonResult) -> Vec<Case<'_>> {
    let counting = found.metrics.iter().filter(|metric| metric.counts).take(CASES);
    let mut cases: Vec<_> = counting.map(|metric| of_metric(found, metric)).collect();
    if cases.iter().all(|case| word(case.change) != word(&found.verdict)) {
        cases.push(Case {
            class: clean(&found.scenario),
            name: WHOLE.to_owned(),
            change: &found.verdict,
            text: headline(found),
        });
    }
    cases
}

fn of_metric<'c>(found: &ComparisonResult, metric: &'c ComparedMetric) -> Case<'c> {
    let place = place(metric);
    // CI systems take points for packages, and the last part for the class.
    let place = place.replace('.', "\u{2024}");
    let class = match place.is_empty() {
        true => clean(&found.scenario),
        false => format!("{}.{place}", clean(&found.scenario)),
    };
    Case { class, name: subject(metric), change: &metric.change, text: sentence(metric) }
}

/// Why nothing is known, if so.
fn reason(change: &Change) -> Option<String> {
    let told = reasons(change);
    (!told.is_empty() || matches!(change, Change::Incomparable { .. })).then(|| told.join("; "))
}

fn properties(xml: &mut Xml, found: &ComparisonResult) -> Written {
    let mut all = vec![
        ("verdict".to_owned(), word(&found.verdict).to_owned()),
        ("loadgen".to_owned(), found.loadgen_version.clone()),
        ("alpha".to_owned(), found.alpha.to_string()),
    ];
    for (side, party) in [("base", &found.base), ("candidate", &found.candidate)] {
        for (name, value) in [
            ("name", party.name.clone()),
            ("loadgen", party.loadgen_version.clone()),
            ("kernel", party.kernel.clone()),
            ("started_at", party.started_at.clone()),
            ("runs", party.runs.to_string()),
        ] {
            all.push((format!("{side}.{name}"), value));
        }
    }
    all.extend(notes(found).into_iter().map(|note| ("note".to_owned(), note)));
    let properties = xml.create_element("properties");
    properties.write_inner_content(|xml| {
        for (name, value) in &all {
            let value = valid(&clean(value));
            let property = xml.create_element("property").with_attribute(("name", name.as_str()));
            property.with_attribute(("value", value.as_str())).write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn written(xml: &mut Xml, case: &Case) -> Written {
    let [class, name, text] = [&case.class, &case.name, &case.text].map(|text| valid(text));
    let element = xml.create_element("testcase").with_attribute(("classname", class.as_str()));
    let element = element.with_attribute(("name", name.as_str()));
    let skipped = reason(case.change).map(|reason| valid(&reason));
    match (case.change, skipped) {
        (Change::Worse, _) => element.write_inner_content(|xml| {
            let failure = xml.create_element("failure").with_attribute(("type", "worse"));
            let failure = failure.with_attribute(("message", text.as_str()));
            failure.write_text_content(BytesText::new(&text))?;
            Ok(())
        })?,
        (change, Some(reason)) => element.write_inner_content(|xml| {
            let message = format!("{}: {reason}", word(change));
            let skipped = xml.create_element("skipped");
            skipped.with_attribute(("message", message.as_str())).write_empty()?;
            Ok(())
        })?,
        _ => element.write_inner_content(|xml| {
            xml.create_element("system-out").write_text_content(BytesText::new(&text))?;
            Ok(())
        })?,
    };
    Ok(())
}

/// Without what no XML can hold (XML 1.0, 2.2): controls are gone already, but not those.
fn valid(text: &str) -> String {
    let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(allowed).collect()
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
