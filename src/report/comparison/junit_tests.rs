use super::*;
use crate::report::sample::comparison as sample;

fn text(found: &ComparisonResult) -> String {
    String::from_utf8(junit(found)).expect("UTF-8")
}

#[test]
fn what_got_worse_fails() {
    insta::assert_snapshot!(text(&sample::worse()));
}

#[test]
fn what_is_not_known_is_skipped_with_its_reason() {
    for (found, part) in [
        (sample::inconclusive(), "14 more runs a side would probably suffice."),
        (sample::incomparable(), "incomparable: kernel: Linux 6.1.0 at main"),
    ] {
        let told = text(&found);
        assert!(told.contains("failures=\"0\"") && told.contains("skipped=\"1\""), "{told}");
        assert!(told.contains(part), "{told}");
    }
    let mut nothing = sample::incomparable();
    nothing.metrics.clear();
    let told = text(&nothing);
    assert!(told.contains("name=\"comparison\"") && told.contains("tests=\"1\""), "{told}");
}

#[test]
fn any_text_is_escaped() {
    let mut found = sample::hostile();
    found.scenario.push_str("\u{fffe}\u{ffff}\u{0}");
    let told = text(&found);
    assert!(!told.contains("<script>") && !told.contains("]]>"), "{told}");
    let odd = |c: char| matches!(c, '\u{fffe}' | '\u{ffff}') || (c.is_control() && c != '\n');
    assert!(!told.contains(odd), "{told}");
}

/// The schema of Jenkins's xunit plugin, as pytest's source package carries it: `tests/needs.sh` puts
/// it there.
const SCHEMA: &str = "junit/junit-10.xsd";

/// Says that nothing was checked, so that it does not look like a pass.
fn skipped(reason: &str) {
    let line = format!("skipped: junit_is_what_a_schema_allows: {reason}\n");
    print!("{line}");
    if let Some(list) = std::env::var_os("LOADGEN_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        std::io::Write::write_all(&mut file.expect("a list"), line.as_bytes()).expect("writable");
    }
}

#[test]
fn junit_is_what_a_schema_allows() {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join(SCHEMA);
    if !schema.is_file() {
        return skipped("no schema of JUnit here: tests/needs.sh fetches it");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files = Vec::new();
    for (found, index) in sample::all().iter().zip(0..) {
        let file = folder.path().join(format!("{index}.xml"));
        std::fs::write(&file, junit(found)).expect("writable");
        files.push(file);
    }
    let lint = |file: &std::path::Path| {
        let mut program = std::process::Command::new("xmllint");
        program.arg("--noout").arg("--nonet").arg("--schema").arg(&schema).arg(file).output()
    };
    for file in &files {
        let Ok(said) = lint(file) else { return skipped("no xmllint here") };
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
    let odd = String::from_utf8(junit(&sample::worse())).expect("UTF-8");
    std::fs::write(&files[0], odd.replace("<failure ", "<failed ")).expect("writable");
    assert!(!lint(&files[0]).expect("as before").status.success(), "the schema is looked at");
}
