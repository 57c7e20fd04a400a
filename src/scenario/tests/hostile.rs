//! No text panics, and none takes long.

use proptest::prelude::*;

use super::{LONGEST_TEXT, RICH, told, with};

#[test]
fn hostile_texts_are_refused_and_bounded() {
    let deep = |open: &str, n: usize| format!("a = {}", open.repeat(n));
    for text in [
        deep("[", 100_000),
        deep("{a=", 100_000),
        format!("{}b = 1", "a.".repeat(400_000)),
        format!("[{}b]", "a.".repeat(400_000)),
        "[[a]]\n".repeat(100_000),
        "\"\n".repeat(100_000),
        (0..80_000).fold("[sweep]\ntarget.backlog = [1, 2, 3]\n[lab]\n".into(), |text, n| {
            text + &format!("k{n}=1\n")
        }),
        format!("[[load]]\nstages = [{}]", "{rate=5},".repeat(100_000)),
        format!("name = \"{}", "x".repeat(900_000)),
        "x".repeat(LONGEST_TEXT + 1),
        "\0ELF".into(),
        String::new(),
        " \n".into(),
    ] {
        let all = with(&text, &[]).expect_err("hostile").render(false);
        assert!(all.len() < 100_000, "{}", all.len());
    }
}

#[test]
fn a_huge_sweep_is_refused_before_it_is_built() {
    let numbers: Vec<_> = (0..900).map(|n| n.to_string()).collect();
    let list = numbers.join(",");
    let text = format!(
        "name = \"x\"\n[[load]]\nrate = \"5/s\"\n[sweep]\ntarget.backlog = [{list}]\n\
         target.acceptors = [{list}]\nlab.sources = [{list}]\nload.workers = [{list}]"
    );
    assert!(told(&text, &[]).contains("656100000000 cells"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        told(&text, &[&text]);
    }

    #[test]
    fn no_toml_like_text_panics(text in "[a-z0-9\\[\\]{}=.\"', \n/-]{0,120}") {
        told(&format!("name = \"x\"\n{text}"), &[&text]);
    }

    #[test]
    fn no_mutation_of_a_scenario_panics(
        cuts in prop::collection::vec((0usize..1500, 0usize..12, "[ -~\n]{0,6}"), 1..6),
        set in "(target|load|lab|limits|sweep)(\\.[a-z\"]{1,9}){0,4}=[ -~]{0,12}",
    ) {
        let mut text = RICH.to_owned();
        for (at, length, insert) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.replace_range(at..end, &insert);
        }
        told(&text, &[&set]);
    }
}
