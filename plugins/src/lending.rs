//! What an organization's plugins lend to its templates.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use px0_core::{ids::OrgId, json::JsonText, plugin::PluginId};
use px0_render_wasm::{Answer, Called, Calling, Calls, Function, Functions};

use crate::{
    cell::{Fault, NotConfigured},
    filters::{Filters, Instance},
    strikes::{BENCHED, Strikes},
};

/// A plugin that lends functions.
pub(crate) struct Lender {
    pub(crate) id: PluginId,
    /// Its id and version.
    pub(crate) label: String,
    /// What tells its code from any other.
    pub(crate) mark: u64,
    pub(crate) filters: Arc<Filters>,
    pub(crate) settings: Option<JsonText>,
}

/// What is lent to the templates of one organization.
pub(crate) struct Lending {
    org: OrgId,
    lenders: Vec<Lender>,
    functions: Vec<Function>,
    /// Which lender each of the functions is of.
    owners: Vec<usize>,
    mark: u64,
    strikes: Arc<Strikes>,
}

impl Lending {
    /// What these lend; where two have a function of the same name, the first does.
    pub(crate) fn of(org: OrgId, lenders: Vec<Lender>, strikes: Arc<Strikes>) -> Self {
        let mut hasher = DefaultHasher::new();
        let mut all: Vec<(Function, usize)> = Vec::new();
        for (owner, lender) in lenders.iter().enumerate() {
            lender.mark.hash(&mut hasher);
            lender.settings.as_ref().map(JsonText::as_str).hash(&mut hasher);
            all.extend(lender.filters.functions().iter().map(|function| (function.clone(), owner)));
        }
        all.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        all.dedup_by(|(b, _), (a, _)| a.name == b.name);
        let (functions, owners) = all.into_iter().unzip();
        // 0 is for nothing.
        Self { org, lenders, functions, owners, mark: hasher.finish().max(1), strikes }
    }
}

impl Functions for Lending {
    fn mark(&self) -> u64 {
        self.mark
    }

    fn list(&self) -> &[Function] {
        &self.functions
    }

    fn open(self: Arc<Self>) -> Box<dyn Calls> {
        let places = self.lenders.iter().map(|_| Place::default()).collect();
        Box::new(Open { lending: self, places })
    }
}

/// What is lent to one instance of an engine: instances of the plugins, made when they are first called.
struct Open {
    lending: Arc<Lending>,
    places: Vec<Place>,
}

/// Where an instance of one lender is, once it was called.
#[derive(Default)]
struct Place {
    instance: Option<Instance>,
    /// Whether one has started here already.
    started: bool,
    /// Why it does not take its settings, if it does not: they stay the same for as long as this is lent.
    refused: Option<String>,
}

impl Calls for Open {
    fn call(&mut self, name: String, arguments: String, fuel: u64) -> Calling<'_> {
        Box::pin(async move {
            let Lending { lenders, functions, owners, .. } = &*self.lending;
            let found = functions.binary_search_by(|function| function.name.cmp(&name));
            let owner = found.ok().and_then(|at| owners.get(at).copied());
            let place = owner.and_then(|owner| self.places.get_mut(owner));
            match (owner.and_then(|owner| lenders.get(owner)), place) {
                (Some(lender), Some(place)) => {
                    self.lending.call(lender, place, name, arguments, fuel).await
                }
                _ => Called { answer: Answer::Unknown, fuel: 0 },
            }
        })
    }

    fn memory(&self) -> usize {
        self.places.iter().flat_map(|place| &place.instance).map(Instance::memory).sum()
    }
}

impl Lending {
    async fn call(
        &self,
        lender: &Lender,
        place: &mut Place,
        name: String,
        arguments: String,
        fuel: u64,
    ) -> Called {
        let failed = |why: &dyn std::fmt::Display, fuel: u64| Called {
            answer: Answer::Failed(format!("plugin {} failed: {why}", lender.label)),
            fuel,
        };
        if self.strikes.is_benched(&lender.id, self.org, None) {
            return failed(&BENCHED, 0);
        }
        if let Some(why) = &place.refused {
            return failed(why, 0);
        }
        let mut started = 0;
        let instance = match &mut place.instance {
            Some(instance) => instance,
            None => {
                // The first start is free, or a plugin with large tables could lend nothing to small templates. What makes it
                // start again pays for it, whether it starts or not.
                let again = std::mem::replace(&mut place.started, true);
                let configured = lender.filters.configured(self.org, lender.settings.as_ref());
                // Rare, and by far the larger part of this future.
                match Box::pin(configured).await {
                    Ok(instance) => {
                        if again {
                            started = instance.started();
                        }
                        place.instance.insert(instance)
                    }
                    Err(NotConfigured::Settings(why)) => {
                        let called = failed(&why, 0);
                        place.refused = Some(why);
                        return called;
                    }
                    Err(NotConfigured::Fault(Fault::Busy)) => return failed(&Fault::Busy, 0),
                    Err(NotConfigured::Fault(fault)) => {
                        self.strikes.failed(&lender.id, self.org, None);
                        let most = lender.filters.limits().start_fuel;
                        return failed(&fault, if again { most.min(fuel) } else { 0 });
                    }
                }
            }
        };
        let Some(fuel) = fuel.checked_sub(started) else {
            return Called { answer: Answer::OutOfFuel, fuel };
        };
        match instance.call(name, arguments, fuel).await {
            Ok(Called { answer, fuel: taken }) => {
                self.strikes.answered(&lender.id, self.org, None);
                if !instance.is_fit(lender.filters.limits()) {
                    place.instance = None;
                }
                Called { answer, fuel: taken + started }
            }
            // Whose fault it is cannot be told: it is the render's fuel.
            Err((Fault::Fuel, _)) => {
                place.instance = None;
                Called { answer: Answer::OutOfFuel, fuel }
            }
            Err((fault, taken)) => {
                place.instance = None;
                tracing::warn!(plugin = lender.label, organization = %self.org, %fault, "a plugin failed");
                self.strikes.failed(&lender.id, self.org, None);
                failed(&fault, taken + started)
            }
        }
    }
}
