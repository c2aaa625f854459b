mod support;
use px0_core::render::Renderer;
use support::{sandbox_with, template};
#[tokio::test]
async fn fuel() {
    let s = sandbox_with(|s| {
        s.fuel = 50_000_000;
    });
    let mut last = s.stats();
    for (name, src, vars) in [
        ("empty", "x".to_string(), "{}".to_string()),
        (
            "dicts",
            "x".to_string(),
            format!(r#"{{"a": [{}1]}}"#, r#"{"key": "some text"},"#.repeat(40_000)),
        ),
        ("ints", "x".into(), format!(r#"{{"a": [{}1]}}"#, "1,".repeat(300_000))),
        ("text", "x".into(), format!(r#"{{"a": "{}"}}"#, "hello world ".repeat(50_000))),
        (
            "print text",
            "{{ a }}".into(),
            format!(r#"{{"a": "{}"}}"#, "hello world ".repeat(50_000)),
        ),
        ("escapes", "x".into(), format!(r#"{{"a": "{}"}}"#, "\\u00e9".repeat(100_000))),
        ("newlines", "x".into(), format!(r#"{{"a": "{}"}}"#, "\\n".repeat(300_000))),
        (
            "keys",
            "x".into(),
            format!(
                r#"{{"a": {{{}"z": 1}}}}"#,
                (0..60_000).map(|n| format!(r#""{:05}":1,"#, 60_000 - n)).collect::<String>()
            ),
        ),
        ("floats", "x".into(), format!(r#"{{"a": [{}1]}}"#, "1.2345678901234567,".repeat(50_000))),
        ("longnum", "x".into(), format!(r#"{{"a": {}}}"#, "9".repeat(500_000))),
        ("zeros", "x".into(), format!(r#"{{"a": 0.{}1}}"#, "0".repeat(500_000))),
        ("nested", "x".into(), format!(r#"{{"a": [{}1]}}"#, "[[[[]]]],".repeat(80_000))),
        (
            "chat",
            include_str!("../../benches/prompts/chat.jinja").into(),
            include_str!("../../benches/prompts/chat.json").into(),
        ),
        ("loop", "{% for i in range(100000) %}{% endfor %}".into(), "{}".into()),
    ] {
        let t = template(&src);
        let start = std::time::Instant::now();
        let r = s.render(&t, &vars).await;
        let took = start.elapsed();
        let now = s.stats();
        let used = now.fuel - last.fuel;
        println!(
            "{name}: {} bytes, fuel {used}, per byte {:.1} {:?} {:?}",
            vars.len(),
            used as f64 / vars.len() as f64,
            took,
            r.map(|t| t.len())
        );
        last = now;
    }
}
