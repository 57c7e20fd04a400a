//! `report.html` as a browser shows it, and `loadgen report`, which makes it again.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Bench, Running, Said, call, programs_or_skip};

/// Too short a backlog for the load in one of two cells.
const SCENARIO: &str = r#"
name = "page"
description = "A backlog that is too short"
[target]
accept = "100/s"
[[load]]
rate = "300/s"
duration = "1s"
timeout = "2500ms"
[sweep]
target.backlog = [5, 512]
[limits]
"connect.p99" = "<= 5ms"
"#;

/// Opens every fold, and tells the frame's parent how wide everything is, what sticks out, and what
/// the page asked the network for.
const LOOK: &str = r#"<script>
document.querySelectorAll("details").forEach(one => one.open = true);
addEventListener("load", () => {
  const root = document.documentElement, room = root.clientWidth;
  const out = [...document.body.querySelectorAll("*")]
    .filter(e => !e.closest(".scroll,pre,svg,.skip") && e.getBoundingClientRect().right > room + 1)
    .map(e => e.tagName + "." + e.className);
  parent.postMessage(JSON.stringify({window: innerWidth, room, width: root.scrollWidth, out,
    asked: performance.getEntriesByType("resource").map(one => one.name),
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    paper: getComputedStyle(document.body).backgroundColor}), "*");
});
</script>"#;

/// Runs headless Chromium until the page at `path` has settled; what it printed.
fn chromium(path: &Path, arguments: &[&str]) -> Said {
    let profile = TempDir::new().unwrap();
    let mut command = Command::new("chromium");
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .args(["--disable-extensions", "--virtual-time-budget=4000", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg("--dump-dom")
        .arg(format!("file://{}", path.display()));
    let said = Running::start(&mut command).finish();
    said.exits(&[0]);
    said
}

/// What [`LOOK`] told of a page in a frame of this width. A window could not be so narrow.
fn looked_at(page: &str, width: u32, dark: bool) -> Value {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("page.html"), page).unwrap();
    let wrapper = format!(
        "<!DOCTYPE html><pre id=told></pre><script>addEventListener('message', e => \
         document.getElementById('told').textContent = e.data)</script>\
         <iframe src=page.html style='border:0;width:{width}px;height:900px'></iframe>"
    );
    let path = folder.path().join("wrapper.html");
    fs::write(&path, wrapper).unwrap();
    let scheme = format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 });
    let said = chromium(&path, &[&scheme, "--window-size=1600,1000"]);
    let told =
        said.stdout.split("<pre id=\"told\">").nth(1).and_then(|rest| rest.split('<').next());
    let told = told.unwrap_or_else(|| panic!("nothing was told: {said}")).replace("&amp;", "&");
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}: {said}"))
}

/// The page with [`LOOK`], and without the policy that forbids it.
fn with_look(page: &str) -> String {
    let policy = page.find("<meta http-equiv=\"Content-Security-Policy\"").expect("a policy");
    let end = policy + page[policy..].find('>').unwrap() + 1;
    format!("{}{LOOK}{}", &page[..policy], &page[end..])
}

/// A run of [`SCENARIO`], whose limit is broken.
fn ran() -> (Bench, String) {
    let bench = Bench::new(SCENARIO);
    let said = bench.run(&[]);
    said.exits(&[1, 4]).tells(&["report: ", "report.html"]);
    let page = fs::read_to_string(bench.result().0.join("report.html")).expect("report.html");
    (bench, page)
}

#[test]
fn a_browser_shows_the_page_without_overflow_requests_or_complaints() {
    let name = "a_browser_shows_the_page_without_overflow_requests_or_complaints";
    if !programs_or_skip(name, &["chromium"]) {
        return;
    }
    let (bench, page) = ran();
    let said = chromium(&bench.result().0.join("report.html"), &[]);
    assert!(said.stdout.contains("Verdict: "), "{said}");
    assert!(said.stdout.contains("connect.p99 &lt;= 5ms"), "{said}");
    assert!(!said.stderr.contains("CONSOLE"), "{said}");
    let page = with_look(&page);
    for (width, dark) in [(400, false), (400, true), (1400, false)] {
        let told = looked_at(&page, width, dark);
        assert_eq!((&told["window"], &told["dark"]), (&width.into(), &dark.into()), "{told}");
        assert_eq!(told["width"], told["room"], "wider than its window: {told}");
        assert_eq!((&told["out"], &told["asked"]), (&Value::Array(vec![]), &Value::Array(vec![])));
        let white = told["paper"] == "rgb(255, 255, 255)";
        assert_eq!(white, !dark, "{told}");
    }
}

/// The looks above can fail: a page that is too wide, asks the network or runs a script is noticed.
#[test]
fn a_bad_page_is_noticed() {
    if !programs_or_skip("a_bad_page_is_noticed", &["chromium"]) {
        return;
    }
    let bad = format!(
        "<!DOCTYPE html><head>{LOOK}</head><body><p style='width:900px'>wide</p>\
         <img src='http://example.test/x.png'></body>"
    );
    let told = looked_at(&bad, 400, false);
    assert!(told["width"].as_u64() > told["room"].as_u64(), "{told}");
    assert_eq!(told["out"], serde_json::json!(["P."]), "{told}");
    assert_eq!(told["asked"], serde_json::json!(["http://example.test/x.png"]), "{told}");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bad.html");
    let policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">";
    fs::write(&path, format!("<!DOCTYPE html><head>{policy}</head><script>1</script>")).unwrap();
    let said = chromium(&path, &[]);
    assert!(said.stderr.contains("CONSOLE"), "{said}");
}

#[test]
fn a_page_is_made_again_from_run_json_alone() {
    let (bench, page) = ran();
    let (out, copy) = (bench.out(), bench.path("copy"));
    fs::create_dir(&copy).unwrap();
    fs::copy(Path::new(&out).join("run.json"), Path::new(&copy).join("run.json")).unwrap();
    call(&["report", &copy]).exits(&[0]).tells(&["report.html"]);
    let again = fs::read_to_string(Path::new(&copy).join("report.html")).unwrap();
    assert_eq!(again, page);
    assert!(Path::new(&copy).join("timeline.png").is_file());
    let file = bench.path("both.html");
    call(&["report", &out, &format!("{copy}/run.json"), "--out", &file]).exits(&[0]);
    let both = fs::read_to_string(&file).unwrap();
    assert!(both.contains("A target.backlog = 5") && both.contains("B target.backlog = 512"));
}

#[test]
fn what_is_no_result_is_refused_with_its_place() {
    let bench = Bench::new("");
    let refused = |name: &str, text: &str, told: &[&str]| {
        let path = bench.path(name);
        fs::write(&path, text).unwrap();
        call(&["report", &path, "--out", &bench.path("page.html")]).exits(&[2]).tells(told);
        assert!(!Path::new(&bench.path("page.html")).exists(), "{name}");
    };
    refused(
        "newer",
        r#"{"schema_version": 99, "loadgen_version": "9"}"#,
        &["layout 99", "use that version"],
    );
    refused("cut", "{\"schema_version\": 1,\n \"scenario\": {", &["cut:2:14: ", "no whole result"]);
    refused("other", "{\"schema_version\": 1}", &["other:1:21: ", "missing field"]);
    refused("deep", &"[".repeat(1 << 20), &["deep:1:1: ", "no whole result"]);
    refused("binary", "\u{0}\u{1}", &["binary:1:1: ", "expected value"]);
    // What is no page is not written over, be it the result itself or a device.
    let other = bench.path("other");
    for taken in [other.as_str(), "/dev/null"] {
        call(&["report", &bench.path("cut"), "--out", taken]).exits(&[2]).tells(&["is no page"]);
    }
    call(&["report", &other]).exits(&[2]).tells(&["no run.json"]);
    let path = bench.path("nowhere");
    call(&["report", &path]).exits(&[2]).tells(&["ENOENT", "name the folder of a run"]);
    call(&["report", &path, &path]).exits(&[2]).tells(&["--out"]);
    call(&["report"]).exits(&[2]);
}

#[test]
fn a_folder_in_which_a_run_writes_is_left_alone() {
    let (bench, page) = ran();
    let out = bench.out();
    let run = fs::File::open(&out).unwrap();
    // As a run does for as long as it lives.
    run.lock().unwrap();
    fs::remove_file(Path::new(&out).join("report.html")).unwrap();
    call(&["report", &out]).exits(&[2]).tells(&["a run is still writing there"]);
    assert!(!Path::new(&out).join("report.html").exists());
    // Elsewhere nobody is in the way.
    call(&["report", &out, "--out", &bench.path("else.html")]).exits(&[0]);
    drop(run);
    call(&["report", &out]).exits(&[0]);
    assert_eq!(fs::read_to_string(Path::new(&out).join("report.html")).unwrap(), page);
}
