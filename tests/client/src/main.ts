// From registration to a rendered prompt, with a client that was generated from the OpenAPI document. That it compiles says
// that the document has the paths, parameters, bodies and answers used here.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const baseUrl = process.env.PX0_URL ?? "http://localhost:8000";
const api = createClient<paths>({ baseUrl });

/** The answer of a call that must succeed. */
async function ok<T>(call: Promise<{ data?: T; error?: components["schemas"]["Error"]; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (error !== undefined) throw new Error(`${response.status} ${error.code}: ${error.error}`);
  assert(data !== undefined);
  return data;
}

const credentials = { email: `client-${Date.now()}@example.com`, password: "Corr3ct-horse" };
const { user } = await ok(api.POST("/v1/auth/register", { body: credentials }));
assert.equal(user.email, credentials.email);

const { token } = await ok(api.POST("/v1/auth/login", { body: credentials }));
api.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${token}`);
  },
});

const { teams } = await ok(api.GET("/v1/me/teams"));
const team = teams[0];
assert(team?.is_default && team.role === "admin");

const { prompt } = await ok(
  api.POST("/v1/teams/{teamID}/prompts", { params: { path: { teamID: team.id } }, body: { name: "Welcome" } }),
);
const template = "Hello {{ name }}!";
const { version } = await ok(
  api.POST("/v1/prompts/{id}/versions", { params: { path: { id: prompt.slug } }, body: { template } }),
);
const path = { id: prompt.slug, version: String(version.version) };
for (const status of ["stable", "live"] as const) {
  const promoted = await ok(api.POST("/v1/prompts/{id}/versions/{version}/promote", { params: { path } }));
  assert.equal(promoted.version.status, status);
}

const body = { name: "service", org_id: team.org_id, operation: "read_render" as const };
const { key } = await ok(api.POST("/v1/api-keys", { body }));
const service = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const render = service.POST("/v1/prompts/{slug}/render", {
  params: { path: { slug: prompt.slug } },
  body: { variables: { name: "Ada" } },
});
assert.equal((await ok(render)).rendered, "Hello Ada!");

const refused = await service.POST("/v1/prompts/{slug}/render", { params: { path: { slug: prompt.slug } }, body: {} });
assert.equal(refused.response.status, 422);
assert.equal(refused.error?.code, "missing_variables");
console.log("a generated client rendered a prompt");
