//! Settings come from the defaults, a file and the environment, in this order, and nothing is misspelt unnoticed.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may stop where it stands")]

use px0_config::{Backend, ConfigError, DEFAULTS, EmailMode, Settings};

fn with(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let variables: Vec<_> =
        variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let Some(text) = file else { return Settings::from_parts(None, &variables) };
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), text).unwrap();
    Settings::from_parts(Some(path.path()), &variables)
}

#[test]
fn the_defaults_are_settings() {
    let settings = with(None, &[]).unwrap();
    assert_eq!(settings.http.addr.to_string(), "127.0.0.1:8000");
    assert_eq!(settings.store.backend, Backend::Sled);
    assert_eq!(settings.store.sled.path.to_str(), Some("./px0-data"));
    assert_eq!(settings.email.mode, EmailMode::Log);
}

#[test]
fn what_is_written_down_is_what_the_parts_would_take_by_themselves() {
    let settings = with(None, &[]).unwrap();
    assert_eq!(settings.render, px0_render_wasm::RenderSettings::default());
    assert_eq!(settings.store.sled, px0_backends::SledSettings::default());
}

#[test]
fn a_file_replaces_defaults_and_the_environment_replaces_both() {
    let file = Some("[http]\naddr = \"127.0.0.1:1\"\nmax_body = 5\n");
    let settings =
        with(file, &[("PX0_HTTP__ADDR", "127.0.0.1:2"), ("PX0_STORE__BACKEND", "memory")]).unwrap();
    assert_eq!(settings.http.addr.to_string(), "127.0.0.1:2");
    assert_eq!(settings.http.max_body, 5);
    assert_eq!(settings.http.timeout_ms, 30_000);
    assert_eq!(settings.store.backend, Backend::Memory);
}

#[test]
fn the_fixed_names_work() {
    let settings = with(
        None,
        &[
            ("PX0_STORE__SLED__PATH", "/somewhere"),
            ("PX0_EMAIL__MODE", "auto-verify"),
            ("PX0_EMAIL__OUTBOX", "/out"),
            ("PX0_RATE_LIMIT__ENABLED", "false"),
            ("PX0_RENDER__FUEL", "1000000"),
            ("PX0_RENDER__ISOLATION", "render"),
        ],
    )
    .unwrap();
    assert_eq!(settings.store.sled.path.to_str(), Some("/somewhere"));
    assert!(settings.policy().auto_verify);
    assert!(!settings.rate_limit.enabled);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    let said = |result: Result<Settings, ConfigError>| result.map(drop).unwrap_err().to_string();
    assert_eq!(
        said(with(None, &[("PX0_HTTP__ADR", "x")])),
        "the environment has a key that px0 does not know: `PX0_HTTP__ADR`; did you mean `PX0_HTTP__ADDR`?"
    );
    assert_eq!(
        said(with(None, &[("PX0_HTTP_ADDR", "x")])),
        "the environment has a key that px0 does not know: `PX0_HTTP_ADDR`; did you mean `PX0_HTTP__ADDR`?"
    );
    let said = said(with(Some("[render]\nfule = 1\n"), &[]));
    assert!(said.ends_with("`render.fule`; did you mean `render.fuel`?"), "{said}");
}

#[test]
fn variables_of_the_guide_are_not_settings() {
    assert!(
        with(None, &[("PX0_ACCESS_TOKEN", "sess_x"), ("PX0_ORG_ID", "x"), ("PX0_API_KEY", "ak_x")])
            .is_ok()
    );
}

#[test]
fn a_value_that_a_key_cannot_have_is_refused_by_name() {
    for (name, value, key) in [
        ("PX0_HTTP__ADDR", "nowhere", "`http.addr`"),
        ("PX0_STORE__BACKEND", "redis", "`store.backend`"),
        ("PX0_HTTP__MAX_BODY", "many", "`http.max_body`"),
        ("PX0_HTTP__MAX_BODY", "0", "`http.max_body`"),
        ("PX0_RATE_LIMIT__CODES_PER_HOUR", "0", "`rate_limit.codes_per_hour`"),
    ] {
        let said = with(None, &[(name, value)]).map(drop).unwrap_err().to_string();
        assert!(said.contains(key), "{said}");
    }
    let said = with(Some("[http\n"), &[]).map(drop).unwrap_err().to_string();
    assert!(said.contains("is not TOML"), "{said}");
}

#[test]
fn a_password_may_look_like_a_number_and_is_never_printed() {
    for password in ["12345678", "true", "{a=1}", "\"quoted\""] {
        let settings = with(None, &[("PX0_EMAIL__SMTP__PASSWORD", password)]).unwrap();
        assert_eq!(settings.email.smtp.password, password);
        assert!(!format!("{:?}", settings.email.smtp).contains(password));
    }
    let said =
        with(Some("[email.smtp]\npassword = 12345678\n"), &[]).map(drop).unwrap_err().to_string();
    assert_eq!(
        said,
        "invalid value for `email.smtp.password`: expected a text, but found something else, which is not shown because it is a secret"
    );
}

fn refused(file: Option<&str>, variables: &[(&str, &str)]) -> String {
    with(file, variables).map(drop).unwrap_err().to_string()
}

#[test]
fn a_value_is_refused_with_what_was_expected_and_what_was_found() {
    for (name, value, said) in [
        (
            "PX0_HTTP__MAX_BODY",
            "many",
            "`http.max_body`: expected a whole number, at least 0, but found the text `many`",
        ),
        (
            "PX0_HTTP__MAX_BODY",
            "-1",
            "`http.max_body`: expected a whole number, at least 0, but found the number -1",
        ),
        (
            "PX0_HTTP__MAX_BODY",
            "1.5",
            "`http.max_body`: expected a whole number, at least 0, but found the number 1.5",
        ),
        (
            "PX0_RATE_LIMIT__CODES_PER_HOUR",
            "0",
            "`rate_limit.codes_per_hour`: expected a whole number from 1 to 4294967295, but found the number 0",
        ),
        (
            "PX0_EMAIL__SMTP__PORT",
            "70000",
            "`email.smtp.port`: expected a whole number from 0 to 65535, but found the number 70000",
        ),
        (
            "PX0_EMAIL__SMTP__PORT",
            "x",
            "`email.smtp.port`: expected a whole number from 0 to 65535, but found the text `x`",
        ),
        (
            "PX0_RATE_LIMIT__ENABLED",
            "yes",
            "`rate_limit.enabled`: expected `true` or `false`, but found the text `yes`",
        ),
        (
            "PX0_STORE__BACKEND",
            "redis",
            "`store.backend`: expected one of `sled`, `postgres`, `memory`, but found `redis`",
        ),
        (
            "PX0_HTTP__CORS_ORIGINS",
            "https://a.example",
            r#"`http.cors_origins`: expected a list of texts, as in `["one", "two"]`, but found the text `https://a.example`"#,
        ),
        ("PX0_RENDER__FUEL", "60000000", "`render.fuel`: must be at most 50000000, not 60000000"),
        (
            "PX0_PLUGINS__GRANT",
            "[\"my-rule\"]",
            "`plugins.grant`: `my-rule` is no grant: write `plugin:log` or `plugin:kv`",
        ),
    ] {
        assert_eq!(refused(None, &[(name, value)]), format!("invalid value for {said}"));
    }
    let file = Some("[http]\naddr = 8000\n");
    assert_eq!(
        refused(file, &[]),
        "invalid value for `http.addr`: expected a text, such as `127.0.0.1:8000`, but found the number 8000"
    );
}

#[test]
fn a_host_may_have_a_name() {
    for addr in ["localhost:8506", "[::1]:8506", "0.0.0.0:0", "px0.internal:80"] {
        let both = [("PX0_HTTP__ADDR", addr), ("PX0_TELEMETRY__ADDR", addr)];
        let settings = with(None, &both).unwrap();
        assert_eq!(settings.http.addr.to_string(), addr);
        assert_eq!(settings.telemetry.addr.unwrap().to_string(), addr);
    }
    assert_eq!(with(None, &[("PX0_TELEMETRY__ADDR", "")]).unwrap().telemetry.addr, None);
    let expected =
        "expected a host and a port, such as `127.0.0.1:8000`, `[::1]:8000` or `localhost:8000`";
    for (name, key) in [("PX0_HTTP__ADDR", "http.addr"), ("PX0_TELEMETRY__ADDR", "telemetry.addr")]
    {
        for addr in [
            "nowhere",
            ":80",
            "localhost:",
            "localhost:65536",
            "http://localhost:80",
            "256.0.0.1:80",
            "a b:80",
        ] {
            let said = format!("invalid value for `{key}`: {expected}, but found `{addr}`");
            assert_eq!(refused(None, &[(name, addr)]), said);
        }
    }
}

#[test]
fn an_origin_is_written_as_browsers_send_it() {
    let origins =
        |text: &str| format!("[http]\ncors_origins = [\"https://a.example\", \"{text}\"]");
    for good in ["https://console.example.com", "http://localhost:3000", "tauri://localhost"] {
        assert!(with(Some(&origins(good)), &[]).is_ok(), "{good}");
    }
    for (bad, hint) in [
        ("*", "`*` is not possible: list each origin"),
        ("https://a.example/", "did you mean `https://a.example`?"),
        ("https://A.example/page", "did you mean `https://a.example`?"),
        ("https://a.example:443", "did you mean `https://a.example`?"),
        ("a.example", "expected an origin, such as `https://console.example.com`"),
        ("", "expected an origin, such as `https://console.example.com`"),
        ("https://a.example\\n", "expected an origin, such as `https://console.example.com`"),
    ] {
        let said = refused(Some(&origins(bad)), &[]);
        assert!(said.starts_with("invalid value for `http.cors_origins`: "), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn what_is_no_filter_of_the_log_is_refused() {
    for good in
        ["info", "OFF", "3", "error", "info,px0::access=warn", "px0=debug,[request]=info", "warn,"]
    {
        assert!(with(None, &[("PX0_LOG__FILTER", good)]).is_ok(), "{good}");
    }
    for (bad, said) in [
        (
            "loud",
            "`loud` is no level; write a level (`error`, `warn`, `info`, `debug`, `trace` or `off`)",
        ),
        ("px0::access", "`px0::access` is no level; "),
        ("info,silent", "`silent` is no level; "),
        ("px0=loud", "`px0=loud` is no filter; "),
        ("", "it is empty; write a level"),
        (" , ", "it is empty; write a level"),
    ] {
        let told = refused(None, &[("PX0_LOG__FILTER", bad)]);
        assert!(told.contains(&format!("invalid value for `log.filter`: {said}")), "{told}");
        assert!(told.ends_with("as in `info,px0::access=warn`"), "{told}");
    }
}

/// Whatever is wrong with a file, no line of it is printed: it may have a secret in it.
#[test]
fn a_secret_in_a_file_is_never_printed() {
    const SECRET: &str = "hunter2";
    for (file, place) in [
        ("[email.smtp]\npassword = hunter2\n", "line 2, column 12: "),
        ("[email.smtp]\npassword = \"hunter2\n", "line 2, column 20: "),
        ("[email.smtp]\npassword = 'hunter2'' # é\n", "line 2, column "),
        (
            "[email.smtp]\npassword = \"a\"\npassword = \"hunter2\"\n",
            "line 3, column 1: duplicate key",
        ),
        ("[store.postgres]\nurl = [\"postgres://px0:hunter2@db/px0\"\n", "line 2, column "),
        ("[store.postgres]\nurl = {\n a = \"hunter2\" }\n", ""),
        ("[store.postgres]\nurl = [\"hunter2\"]\n", "not shown because it is a secret"),
        ("[email.smtp]\npassword = { hunter = \"hunter2\" }\n", ""),
        ("[store]\npostgres = \"postgres://px0:hunter2@db/px0\"\n", "`store.postgres`"),
        ("store = \"hunter2\"\n", "`store`"),
    ] {
        let said = refused(Some(file), &[]);
        assert!(!said.contains(SECRET), "{said}");
        assert!(said.contains(place), "{file}: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn every_key_has_a_line_of_prose() {
    let mut commented = false;
    for line in DEFAULTS.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(commented, "no prose above: {line}");
        }
        commented = line.starts_with("# ");
    }
}

#[test]
fn proxies_are_a_list_of_addresses_and_networks() {
    let trusted = |settings: Settings, address: &str| {
        settings.http.is_trusted_proxy(address.parse().unwrap())
    };
    assert!(!trusted(with(None, &[]).unwrap(), "127.0.0.1"));
    let file = Some("[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n");
    assert!(trusted(with(file, &[]).unwrap(), "10.1.2.3"));
    assert!(!trusted(with(file, &[]).unwrap(), "127.0.0.1"));
    for text in [r#"["127.0.0.1"]"#, "127.0.0.1", "10.0.0.0/8, 127.0.0.1"] {
        let variable = [("PX0_HTTP__TRUSTED_PROXIES", text)];
        assert!(trusted(with(None, &variable).unwrap(), "127.0.0.1"), "{text}");
    }
    let none = [("PX0_HTTP__TRUSTED_PROXIES", "")];
    assert!(with(None, &none).unwrap().http.trusted_proxies.is_empty());
    for text in ["proxy.internal", "true", "10.0.0.0/33"] {
        let said = with(None, &[("PX0_HTTP__TRUSTED_PROXIES", text)]).map(drop).unwrap_err();
        assert!(said.to_string().contains("`http.trusted_proxies`"), "{said}");
    }
}

#[test]
fn a_key_of_a_former_px0_is_refused_with_what_to_write() {
    let file = Some("[http]\ntrust_forwarded_for = true\n");
    let variable = [("PX0_HTTP__TRUST_FORWARDED_FOR", "true")];
    for (refused, key) in [
        (with(file, &[]), "`http.trust_forwarded_for`"),
        (with(None, &variable), "`PX0_HTTP__TRUST_FORWARDED_FOR`"),
    ] {
        let said = refused.map(drop).unwrap_err().to_string();
        assert!(said.contains(key), "{said}");
        assert!(said.contains("write `http.trusted_proxies = ["), "{said}");
    }
}
