//! Functions of plugins in templates.

use px0_core::render::{EngineName, RenderError, Renderer};
use px0_tests::plugin::Wat;

use crate::world::{World, tenant};

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_there_for_those_who_have_its_plugin() {
    let world = World::with(&[Wat::filters("lender")]).await;
    let (has, has_not) = (tenant(&["lender"]), tenant(&[]));
    for source in ["{{ f(a)|tojson }}", "{{ a|f|tojson }}", "{{ [a]|map('f')|list|tojson }}"] {
        let expected = if source.contains("map") { "[null]" } else { "null" };
        assert_eq!(
            world.render(&has, "minijinja", source).await,
            Ok(expected.to_owned()),
            "{source}"
        );
        match world.render(&has_not, "minijinja", source).await {
            Err(RenderError::Execution(error)) => {
                assert!(error.message.starts_with("unknown "), "{error}");
            }
            other => panic!("{other:?}"),
        }
        let engine = EngineName::default();
        assert_eq!(world.sandbox.check(&has, &engine, source).await, Ok(Ok(())));
        assert!(world.sandbox.check(&has_not, &engine, source).await.unwrap().is_err());
    }
    let go = world
        .render(&has, "gotemplate", "{{ f .a | printf \"%v\" }}{{ .a | f | printf \"%v\" }}")
        .await;
    assert_eq!(go, Ok("<nil><nil>".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_counted_before_a_function_is_called() {
    let world = World::with(&[Wat::filters("lender").body("call", "unreachable")]).await;
    let has = tenant(&["lender"]);
    for (source, why) in [
        ("{{ f() }}", "takes at least 1 arguments and got 0"),
        ("{{ f(a, a) }}", "takes at most 1 arguments and got 2"),
        ("{{ f(a, n=1) }}", "unexpected keyword arguments"),
    ] {
        match world.render(&has, "minijinja", source).await {
            Err(RenderError::Execution(error)) => assert!(error.message.contains(why), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    // A missing variable is missing, as for every other function.
    let missing = world.render(&has, "minijinja", "{{ f(gone) }}").await;
    assert_eq!(missing, Err(RenderError::Missing(vec!["gone".to_owned()])));
}

#[tokio::test(flavor = "multi_thread")]
async fn go_templates_render_where_the_plugin_is() {
    let world = World::with(&[]).await;
    assert_eq!(world.sandbox.engines().len(), 2);
    let rendered = world.render(&tenant(&[]), "gotemplate", "{{if .a}}Hello {{.a}}{{end}}").await;
    assert_eq!(rendered, Ok("Hello text".to_owned()));
    let missing = world.render(&tenant(&[]), "gotemplate", "{{.b}}{{.a.c}}{{.d.e}}").await;
    assert!(
        matches!(missing, Err(RenderError::Missing(_) | RenderError::Execution(_))),
        "{missing:?}"
    );
    let gone = world.render(&tenant(&[]), "mustache", "x").await;
    assert_eq!(gone, Err(RenderError::NoEngine(EngineName::new("mustache"))));
}
