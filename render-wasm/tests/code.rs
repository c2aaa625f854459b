//! The guests come compiled. (What is trusted of what is kept between starts is tested in `src/code.rs`.)

mod support;

use px0_core::render::Renderer;
use support::{sandbox_with, template};

#[tokio::test]
async fn a_start_compiles_nothing() {
    let sandbox = sandbox_with(|_| {});
    assert_eq!(sandbox.render(&template("ok"), "{}").await.as_deref(), Ok("ok"));
    assert_eq!(sandbox.check_schema(px0_core::ids::OrgId::new(), "{}").await, Ok(()));
    let stats = sandbox.stats();
    assert_eq!((stats.embedded, stats.compiled, stats.cached), (2, 0, 0));
}
