use async_trait::async_trait;

use super::{MemoryStore, rule};
use crate::{
    ids::OrgId,
    plugin::{MAX_VALUES, OrgPlugin, OrgPlugins, PluginId, ValueKey},
    store::{Plugins, Refusal, Result, Stamp},
};

#[async_trait]
impl Plugins for MemoryStore {
    async fn org_plugins(&self, org: OrgId) -> Result<OrgPlugins> {
        let state = self.0.lock();
        Ok(state.plugins.values().filter(|decision| decision.org_id == org).cloned().collect())
    }

    async fn set_org_plugin(&self, stamp: Stamp, decision: OrgPlugin) -> Result<()> {
        let mut state = self.0.lock();
        state.org(decision.org_id)?;
        let at = (decision.org_id, decision.plugin.clone());
        state.plugins.insert(at, OrgPlugin { updated_at: stamp.at, ..decision });
        Ok(())
    }

    async fn plugin_value(
        &self,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
    ) -> Result<Option<Vec<u8>>> {
        Ok(self.0.lock().values.get(&(org, plugin.clone(), key.clone())).cloned())
    }

    async fn set_plugin_value(
        &self,
        _: Stamp,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
        value: Option<Vec<u8>>,
    ) -> Result<()> {
        let mut state = self.0.lock();
        state.org(org)?;
        let at = (org, plugin.clone(), key.clone());
        let Some(value) = value else {
            state.values.remove(&at);
            return Ok(());
        };
        let others = state.values.keys().filter(|of| (of.0, &of.1) == (org, plugin) && **of != at);
        rule(others.count() < MAX_VALUES, Refusal::PluginValuesFull)?;
        state.values.insert(at, value);
        Ok(())
    }
}
