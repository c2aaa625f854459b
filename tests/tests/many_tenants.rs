//! What a read costs on a Postgres of many tenants: what the caller reaches, and not what others have of the same name.
//!
//! A statement that is prepared may be planned once for all callers. So all of them are planned so here, in a database where a hundred
//! thousand organizations have a prompt of one slug, and what counts is the pages that the database looks at.
#![allow(clippy::unwrap_used, missing_docs, reason = "in a test, a panic is how a failure is told")]

use std::time::Duration;

use px0_backends::postgres::{PgStore, PostgresSettings};
use px0_core::{
    Slug, Timestamp,
    ids::{OrgId, PromptId, TeamId, UserId},
    page::Page,
    prompt::{PromptFilter, PromptRef},
    secret::TokenHash,
    store::{Accounts, Keys, Plugins, Prompts, Reach, Result, Store, Tenancy},
    tag::{Selector, TagName},
    version::VersionFilter,
};
use px0_tests::postgres::Database;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

/// Every tenant has a team, a prompt `welcome` with a live version, a tag, somebody who is logged in, and a key.
const TENANTS: &str = "
    CREATE TEMP TABLE made AS
        SELECT gen_random_uuid() AS org, gen_random_uuid() AS team, gen_random_uuid() AS prompt, gen_random_uuid() AS person,
               sha256(number::text::bytea) AS hash, number FROM generate_series(1, 100000) AS number;
    INSERT INTO users SELECT person, 'p' || number || '@example.com', '', true, true, now(), true FROM made;
    INSERT INTO sessions SELECT hash, person, now(), now() + interval '1 day' FROM made;
    INSERT INTO orgs SELECT org, 'Acme', now() FROM made;
    INSERT INTO teams SELECT team, org, 'Default Team', true, now() FROM made;
    INSERT INTO members SELECT team, person, 'admin', now() FROM made;
    INSERT INTO api_keys SELECT gen_random_uuid(), org, 'k', true, 'read_render', hash, 'px0', person, now(), NULL FROM made;
    INSERT INTO prompts SELECT prompt, team, 'welcome', 'welcome', '', 'welcome', '', 'active', now(), now(), 1 FROM made;
    INSERT INTO versions SELECT gen_random_uuid(), prompt, 1, 'live', 'Hello', 'minijinja', NULL, NULL, NULL, now(), now(), now()
        FROM made;
    INSERT INTO tags SELECT prompt, 'prod', 1 FROM made;
    ANALYZE;
";

/// Pages that one read may look at: some four for each index that it goes through.
const MOST_PAGES: i64 = 80;

/// How often each is done, so that what only the first one does counts little.
const TIMES: i64 = 20;

struct Many {
    store: PgStore,
    admin: PgConnection,
    org: OrgId,
    team: TeamId,
    prompt: PromptId,
    person: UserId,
    hash: TokenHash,
    /// Pages that were looked at so far.
    seen: i64,
}

impl Many {
    async fn open(database: &Database) -> Self {
        let first = database.open().await;
        first.close().await.unwrap();
        database.run(TENANTS).await;
        let mut admin = PgConnection::connect(&database.url()).await.unwrap();
        let one =
            "SELECT o.id, t.id, p.id, m.user_id, k.hash FROM orgs o JOIN teams t ON t.org_id = o.id
                   JOIN prompts p ON p.team_id = t.id JOIN members m ON m.team_id = t.id
                   JOIN api_keys k ON k.org_id = o.id LIMIT 1";
        let (org, team, prompt, person, hash): (Uuid, Uuid, Uuid, Uuid, Vec<u8>) =
            sqlx::query_as(one).fetch_one(&mut admin).await.unwrap();
        // One connection, so that its count is all there is.
        let url = format!("{}?options=-c%20plan_cache_mode%3Dforce_generic_plan", database.url());
        let settings =
            PostgresSettings { url, max_connections: 1.try_into().unwrap(), ..database.settings() };
        Self {
            store: PgStore::open(settings).await.unwrap(),
            admin,
            org: OrgId::from_uuid(org),
            team: TeamId::from_uuid(team),
            prompt: PromptId::from_uuid(prompt),
            person: UserId::from_uuid(person),
            hash: TokenHash::from_bytes(hash.try_into().unwrap()),
            seen: 0,
        }
    }

    /// Counts the pages that were looked at so far, in tables and their indexes.
    async fn look(&mut self) {
        // A connection tells what it did at the end of a transaction, at most once a second.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        self.store.ping().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let pages = "SELECT sum(coalesce(heap_blks_read, 0) + coalesce(heap_blks_hit, 0) + coalesce(idx_blks_read, 0)
                               + coalesce(idx_blks_hit, 0))::bigint FROM pg_statio_user_tables";
        self.seen = sqlx::query_scalar(pages).fetch_one(&mut self.admin).await.unwrap();
    }
}

/// Does something again and again, and holds what it costs.
macro_rules! is_cheap {
    ($many:ident, $what:expr) => {{
        let before = $many.seen;
        for _ in 0..TIMES {
            let done: Result<_> = $what.await;
            done.unwrap();
        }
        $many.look().await;
        let pages = ($many.seen - before) / TIMES;
        eprintln!("{pages:>6} pages: {}", stringify!($what));
        assert!(pages <= MOST_PAGES, "{pages} pages each: {}", stringify!($what));
        pages
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_costs_what_the_caller_reaches() {
    if Database::missing().is_some() {
        return;
    }
    let database = Database::take().await;
    let mut many = Many::open(&database).await;
    let reach = Reach { orgs: vec![many.org], teams: Vec::new() };
    let team = Reach { orgs: Vec::new(), teams: vec![many.team] };
    let slug = PromptRef::Slug(Slug::exact("welcome").unwrap());
    let id = PromptRef::Id(many.prompt);
    let tag = Selector::Tag(TagName::parse("prod").unwrap());
    let (one, now) = (Selector::Number(1), Timestamp::now());
    let (org, in_team, prompt, person, hash) =
        (many.org, many.team, many.prompt, many.person, many.hash);

    let found = many.store.resolve(&reach, &slug, &Selector::Live).await.unwrap();
    assert_eq!((found.0.len(), found.1.is_some()), (1, true));
    many.look().await;
    let live = is_cheap!(many, many.store.resolve(&reach, &slug, &Selector::Live));
    assert!(live > 0, "what is counted is there");
    is_cheap!(many, many.store.resolve(&team, &slug, &Selector::Live));
    is_cheap!(many, many.store.resolve(&reach, &slug, &Selector::Latest));
    is_cheap!(many, many.store.resolve(&reach, &slug, &one));
    is_cheap!(many, many.store.resolve(&reach, &slug, &tag));
    is_cheap!(many, many.store.resolve(&reach, &id, &Selector::Live));
    is_cheap!(many, many.store.resolve(&reach, &id, &tag));
    is_cheap!(many, many.store.find_prompts(&reach, &slug));
    is_cheap!(many, many.store.find_prompts(&team, &slug));
    is_cheap!(many, many.store.find_prompts(&reach, &id));
    is_cheap!(many, many.store.key_by_hash(&hash));
    is_cheap!(many, many.store.session(&hash, now));
    is_cheap!(many, many.store.org_plugins(org));
    is_cheap!(many, many.store.role(in_team, person));
    is_cheap!(many, many.store.is_person(org, person));
    is_cheap!(many, many.store.orgs_of(person));
    is_cheap!(many, many.store.teams_of(person));
    is_cheap!(many, many.store.teams(org));
    is_cheap!(many, many.store.tags(prompt));
    let (prompts, versions) = (PromptFilter::default(), VersionFilter::default());
    is_cheap!(many, many.store.prompts(in_team, &prompts, Page { after: None, limit: 50 }));
    is_cheap!(many, many.store.versions(prompt, &versions, Page { after: None, limit: 50 }));
    is_cheap!(many, many.store.payloads(prompt, Page { after: None, limit: 50 }));
}
