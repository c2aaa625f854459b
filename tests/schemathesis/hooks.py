"""Who calls in a run of schemathesis, and on what: a world with one of everything, which half of all calls are about."""

import itertools
import os
import uuid

import requests
import schemathesis

BASE = os.environ["PX0_URL"]
PASSWORD = "Corr3ct-horse"
NUMBERS = itertools.count()
RUN = uuid.uuid4().hex


def call(method, path, token, body=None):
    headers = {"Authorization": token} if token else {}
    answer = requests.request(method, BASE + path, json=body, headers=headers, timeout=60)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def newcomer():
    """Registers somebody and logs them in; the server verifies addresses by itself."""
    body = {"email": f"{RUN}{next(NUMBERS)}@example.com", "password": PASSWORD}
    call("POST", "/v1/auth/register", None, body)
    return "Bearer " + call("POST", "/v1/auth/login", None, body)["token"]


ADMIN = newcomer()
# Calls of these end the caller's session or account: each is somebody else's.
ENDS = {"logout", "deleteMe"}
# Calls of these would take away what others are about, or close it to them.
TAKES = {"deleteOrg", "deleteTeam", "deleteAPIKey", "deletePromptPayload", "leaveTeam", "archivePrompt", "removeOrgMember",
         "removeTeamMember"}


def world():
    """One of everything that a path can name."""
    org = call("POST", "/v1/orgs", ADMIN, {"name": "Schemathesis"})["org"]["id"]
    team = call("POST", f"/v1/orgs/{org}/teams", ADMIN, {"name": "Testers"})["team"]["id"]
    prompt = call("POST", f"/v1/teams/{team}/prompts", ADMIN, {"name": "Subject"})["prompt"]["id"]
    for template in ["Hello {{ name }}", "Bye {{ name | default('you') }}"]:
        call("POST", f"/v1/prompts/{prompt}/versions", ADMIN, {"template": template})
    for _ in range(2):
        call("POST", f"/v1/prompts/{prompt}/versions/2/promote", ADMIN)
    payload = call("POST", f"/v1/prompts/{prompt}/payloads", ADMIN, {"variables": {"name": "Ada"}})
    email = f"{RUN}{next(NUMBERS)}@example.com"
    member = call("POST", "/v1/auth/register", ADMIN, {"email": email, "password": PASSWORD, "team_id": team})
    return {
        "orgID": org,
        "teamID": team,
        "userID": member["user"]["id"],
        "slug": prompt,
        "version": "1",
        "payloadID": payload["payload"]["id"],
        "/v1/orgs/{id}": org,
        "/v1/teams/{id}": team,
        "/v1/prompts/{id}": prompt,
    }


WORLD = world()
# Who calls: the organization's admin, or a service with a key of this operation.
OPERATION = os.environ.get("PX0_KEY_OPERATION")
CALLER = ADMIN
if OPERATION:
    body = {"name": "schemathesis", "org_id": WORLD["orgID"], "operation": OPERATION}
    CALLER = "Bearer " + call("POST", "/v1/api-keys", ADMIN, body)["key"]


@schemathesis.auth()
class Session:
    def get(self, case, context):
        return CALLER

    def set(self, case, data, context):
        ends = not OPERATION and case.operation.definition.raw.get("operationId") in ENDS
        case.headers = case.headers or {}
        case.headers["Authorization"] = newcomer() if ends else data


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Every other call is about something that is there."""
    operation = context.operation
    takes = operation.definition.raw.get("operationId") in TAKES
    if not path_parameters or takes or next(NUMBERS) % 2:
        return path_parameters
    prefix = "/".join(operation.path.split("/")[:4])
    known = {name: WORLD.get(name, WORLD.get(prefix)) for name in path_parameters}
    return {**path_parameters, **{name: value for name, value in known.items() if value}}


@schemathesis.hook
def map_query(context, query):
    """Parameters that contradict each other come alone more often than not."""
    for one, other in [("archived", "status"), ("version", "tag")]:
        if query and one in query and other in query and next(NUMBERS) % 4:
            del query[other if next(NUMBERS) % 2 else one]
    return query
