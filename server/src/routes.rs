//! How a route gets its row of the access table.

use std::collections::BTreeSet;

use axum::{
    Router,
    handler::Handler,
    http::Method,
    middleware::from_fn_with_state,
    routing::{MethodFilter, on},
};
use px0_core::access::Operation;

use crate::{
    App,
    extract::{Route, admit},
    openapi,
};

/// Routes under construction. A route is added with its operation, so none can be without a row.
pub(crate) struct Routes {
    app: App,
    router: Router<App>,
    added: Vec<(Method, Route)>,
}

impl Routes {
    /// No routes yet.
    pub(crate) fn new(app: App) -> Self {
        Self { app, router: Router::new(), added: Vec::new() }
    }

    /// Adds one: `path` as the contract writes it.
    pub(crate) fn add<H, T>(
        mut self,
        operation: Operation,
        method: Method,
        path: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let route = Route { operation, path };
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        let admitted =
            on(filter, handler).layer(from_fn_with_state((self.app.clone(), route), admit));
        self.router = self.router.route(&positional(path), admitted);
        self.added.push((method, route));
        self
    }

    /// The router.
    ///
    /// # Panics
    /// When an operation of the access table has no route, or several: a mistake in this program, found at its start.
    pub(crate) fn finish(self) -> Router<App> {
        let routed: Vec<_> = self.added.iter().map(|(_, route)| route.operation).collect();
        let distinct: BTreeSet<_> = routed.iter().copied().collect();
        let missing: Vec<_> = Operation::ALL.iter().filter(|op| !distinct.contains(op)).collect();
        assert!(missing.is_empty(), "operations without a route: {missing:?}");
        assert_eq!(routed.len(), distinct.len(), "an operation has two routes");
        openapi::serve(self.router, &self.added)
    }
}

/// The same path with its parameters named by their place: the contract calls the first one `{id}` here and
/// `{orgID}` there, which one router cannot.
fn positional(path: &str) -> String {
    let mut place = 0;
    let segments = path.split('/').map(|segment| {
        if !segment.starts_with('{') {
            return segment.to_owned();
        }
        place += 1;
        format!("{{p{place}}}")
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    #[test]
    fn parameters_are_named_by_their_place() {
        assert_eq!(
            super::positional("/v1/orgs/{orgID}/members/{userID}"),
            "/v1/orgs/{p1}/members/{p2}"
        );
        assert_eq!(super::positional("/v1/health"), "/v1/health");
    }
}
