use async_trait::async_trait;

use super::{Result, Stamp};
use crate::{
    ids::OrgId,
    plugin::{OrgPlugin, OrgPlugins, PluginId, ValueKey},
};

/// What organizations decided about plugins, and what hooks keep for them.
///
/// Which plugins are installed is not known here: any id is fine, and what was decided about a plugin stays when it is
/// not installed any more. All of it goes with its organization.
#[async_trait]
pub trait Plugins: Send + Sync + 'static {
    /// What an organization decided, sorted by the bytes of the plugins' ids; empty when there is no such organization.
    async fn org_plugins(&self, org: OrgId) -> Result<OrgPlugins>;

    /// Decides about a plugin, whatever was decided before; `decision.updated_at` is the time of the stamp.
    ///
    /// # Behavior
    /// - `Missing(Org)` without its organization.
    async fn set_org_plugin(&self, stamp: Stamp, decision: OrgPlugin) -> Result<()>;

    /// A value that `plugin` keeps for `org`.
    async fn plugin_value(
        &self,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
    ) -> Result<Option<Vec<u8>>>;

    /// Keeps a value, or forgets it when it is `None`. One that is not there is forgotten already.
    ///
    /// # Behavior
    /// - `Missing(Org)` without its organization, also when there is nothing to forget.
    /// - `PluginValuesFull` when it would be one more than [`MAX_VALUES`](crate::plugin::MAX_VALUES) for this plugin and organization, under
    ///   any concurrency. Replacing one is fine.
    async fn set_plugin_value(
        &self,
        stamp: Stamp,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
        value: Option<Vec<u8>>,
    ) -> Result<()>;
}
