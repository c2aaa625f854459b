use async_trait::async_trait;
use px0_core::{
    ids::OrgId,
    plugin::{MAX_VALUES, OrgPlugin, OrgPlugins, PluginId, ValueKey},
    store::{Plugins, Refusal, Result, Stamp},
};

use super::{SledStore, keyspace, records::PluginValue, rule};

#[async_trait]
impl Plugins for SledStore {
    async fn org_plugins(&self, org: OrgId) -> Result<OrgPlugins> {
        self.read(|view| view.records(&keyspace::decisions_of(org)))
    }

    async fn set_org_plugin(&self, stamp: Stamp, decision: OrgPlugin) -> Result<()> {
        self.write(move |tx| {
            tx.org(decision.org_id)?;
            tx.insert(&OrgPlugin { updated_at: stamp.at, ..decision })
        })
        .await
    }

    async fn plugin_value(
        &self,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
    ) -> Result<Option<Vec<u8>>> {
        self.read(|view| {
            let kept: Option<PluginValue> = view.get(&keyspace::value(org, plugin, key))?;
            Ok(kept.map(|kept| kept.value))
        })
    }

    async fn set_plugin_value(
        &self,
        _: Stamp,
        org: OrgId,
        plugin: &PluginId,
        key: &ValueKey,
        value: Option<Vec<u8>>,
    ) -> Result<()> {
        let (plugin, key) = (plugin.clone(), key.clone());
        self.write(move |tx| {
            tx.org(org)?;
            let at = keyspace::value(org, &plugin, &key);
            let Some(value) = value else {
                return tx.remove_at::<PluginValue>(&at);
            };
            if !tx.has(&at)? {
                let mut there = tx.scan(&keyspace::values_of(org, &plugin))?;
                let count = there.try_fold(0, |count, pair| pair.map(|_| count + 1))?;
                rule(count < MAX_VALUES, Refusal::PluginValuesFull)?;
            }
            tx.insert(&PluginValue { org, plugin, key, value })
        })
        .await
    }
}
