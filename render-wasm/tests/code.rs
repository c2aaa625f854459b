//! Compiled code is kept between starts. (What is trusted and what is not is tested in `src/code.rs`.)

mod support;

use px0_core::render::Renderer;
use support::{sandbox_with, template};

#[tokio::test]
async fn a_second_start_compiles_nothing() {
    // The tests' own cache was filled before the first sandbox was handed out.
    let sandbox = sandbox_with(|_| {});
    assert_eq!(sandbox.render(&template("ok"), "{}").await.as_deref(), Ok("ok"));
    assert_eq!(sandbox.check_schema(px0_core::ids::OrgId::new(), "{}").await, Ok(()));
    let stats = sandbox.stats();
    assert_eq!((stats.compiled, stats.cached), (0, 2));
}
