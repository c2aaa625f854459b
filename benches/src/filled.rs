//! A store with many prompts in it.

use std::time::Duration;

use px0_core::{
    Description, Email, Name, Slug, Timestamp,
    ids::{KeyId, OrgId, PromptId, TeamId, UserId, VersionId},
    key::{ApiKey, KeyOperation, KeyScope},
    lifecycle::Status,
    prompt::{Prompt, PromptStatus},
    render::EngineName,
    secret::{Token, TokenKind},
    store::{SharedStore, archive::Record},
    tenancy::{Membership, Org, Role, Team},
    user::{Account, User},
    version::{Body, Version},
};

/// Versions of each prompt; the second is live.
pub const VERSIONS: u32 = 3;

/// Prompts of a team: an organization has many teams.
const TEAM: usize = 1000;

/// What a version of this number says.
pub fn body(number: usize) -> Body {
    let line = "You answer for {{ company }}. {% for m in messages %}{{ m.role }}: {{ m.text }}{% endfor %}\n";
    Body {
        template: format!("{number} {}", line.repeat(10)).into(),
        engine: EngineName::default(),
        model: None,
        model_params: None,
        variables_schema: None,
    }
}

/// A store with so many prompts in it.
pub struct Filled {
    /// How many prompts.
    pub size: usize,
    /// The store.
    pub store: SharedStore,
    /// Whose they are.
    pub org: OrgId,
    /// In which teams.
    pub teams: Vec<TeamId>,
    /// Which.
    pub prompts: Vec<PromptId>,
    /// The secret of a key that renders them all.
    pub key: String,
}

/// The slug of the prompt of this number.
///
/// # Panics
/// Never: it is a slug.
pub fn slug(number: usize) -> Slug {
    Slug::exact(&format!("prompt_{number}")).unwrap()
}

impl Filled {
    /// Fills an empty store.
    ///
    /// # Panics
    /// When it is not empty, or fails.
    pub async fn new(store: SharedStore, size: usize) -> Self {
        let at = Timestamp::now();
        let (org, user) = (OrgId::new(), UserId::new());
        let teams: Vec<_> = (0..size.div_ceil(TEAM)).map(|_| TeamId::new()).collect();
        let prompts: Vec<_> = (0..size).map(|_| PromptId::new()).collect();
        let email = Email::parse("bench@example.com").unwrap();
        let user_record =
            User { id: user, email, is_verified: true, is_admin: true, created_at: at };
        let account = Account { user: user_record, password_hash: String::new(), was_proved: true };
        let mut records = vec![
            Record::User(account),
            Record::Org(Org { id: org, name: Name::made("bench"), created_at: at }),
        ];
        let team = |(number, id): (usize, &TeamId)| Team {
            id: *id,
            org_id: org,
            name: Name::made(&format!("team {number}")),
            is_default: number == 0,
            created_at: at,
        };
        records.extend(teams.iter().enumerate().map(team).map(Record::Team));
        let seat =
            Membership { team: teams[0], org, is_default: true, role: Role::Admin, created_at: at };
        records.push(Record::Member { user, membership: seat });
        let secret = Token::new(TokenKind::ApiKey).unwrap();
        records.push(Record::ApiKey(ApiKey {
            id: KeyId::new(),
            name: Name::made("bench"),
            org_id: org,
            scope: KeyScope::Org,
            operation: KeyOperation::ReadRender,
            hash: secret.hash(),
            prefix: "px0_bench".to_owned(),
            created_by: user,
            created_at: at,
            last_used_at: None,
        }));
        let prompt = |number: usize| {
            let prompt = Prompt {
                id: prompts[number],
                team_id: teams[number / TEAM],
                slug: slug(number),
                name: Name::made(&format!("prompt {number}")),
                description: Description::default(),
                status: PromptStatus::Active,
                created_at: at.plus(Duration::from_micros(number as u64)),
                updated_at: at,
            };
            Record::Prompt { prompt, last_number: VERSIONS }
        };
        let version = |place: usize| {
            let (of, number) = (place / VERSIONS as usize, (place % VERSIONS as usize) as u32 + 1);
            let status = if number == 2 { Status::Live } else { Status::Draft };
            Record::Version(Version {
                id: VersionId::new(),
                prompt_id: prompts[of],
                number,
                status,
                body: body(of),
                created_at: at,
                updated_at: at,
                published_at: (status == Status::Live).then_some(at),
                tags: Vec::new(),
            })
        };
        let rest = (0..size).map(prompt).chain((0..size * VERSIONS as usize).map(version));
        let mut source = records.into_iter().chain(rest).map(Ok);
        store.import(&mut source).await.unwrap();
        Self { size, store, org, teams, prompts, key: secret.expose().to_owned() }
    }
}
