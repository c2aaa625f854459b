use axum::Json;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct ServerVersion {
    version: &'static str,
    /// The commit that it was built from; null where the build did not know it.
    commit: Option<&'static str>,
    api: &'static str,
}

pub(crate) async fn get() -> Json<ServerVersion> {
    Json(ServerVersion {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("PX0_BUILT_FROM"),
        api: "v1",
    })
}
