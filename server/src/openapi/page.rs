//! The document as one page of plain HTML: no script, nothing loaded from elsewhere.

use std::fmt::Write;

use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
code,pre{font:14px/1.4 ui-monospace,monospace;background:#f4f5f7;border-radius:4px}code{padding:.1em .3em}pre{padding:.8em;overflow:auto}\
details{border:1px solid #d8dce2;border-radius:6px;margin:.5rem 0;padding:.5rem .8rem}summary{cursor:pointer}\
.m{display:inline-block;min-width:4.2rem;font-weight:600}td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}\
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e8ea}code,pre{background:#22272d}details{border-color:#39414a}}";

/// What a browser may do with it: show it as [`STYLE`] says, which is named by its SHA-256, and nothing else.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'sha256-R8bNlAnBD56klYnuLQtRYguheVSuhtNkC/HfuFD1ifQ='; \
                                 base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Renders it.
pub(super) fn page(document: &Value) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>px0 API</title><style>{STYLE}</style></head><body><h1>px0 API</h1><p>{}</p>\
         <p>The same for programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>",
        escaped(&document["info"]["description"])
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let _ = write!(html, "<h2>{}</h2>", escaped(&tag["name"]));
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if operation["tags"][0] == tag["name"] {
                    show(&mut html, path, method, operation);
                }
            }
        }
    }
    html.push_str("<h2>Schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(
            html,
            "<details id=\"{name}\"><summary><code>{name}</code></summary>{}</details>",
            code(schema)
        );
    }
    html.push_str("</body></html>");
    html
}

fn show(html: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        html,
        "<details id=\"{id}\"><summary><span class=\"m\">{}</span><code>{}</code> {}</summary><p><code>{id}</code>. {}</p>",
        method.to_uppercase(),
        escape(path),
        escaped(&operation["summary"]),
        escaped(&operation["description"]),
        id = escaped(&operation["operationId"]),
    );
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        html.push_str("<table><tr><th>parameter<th>in<th>schema</tr>");
        for parameter in parameters {
            let star = if parameter["required"] == true { "*" } else { "" };
            let _ = write!(
                html,
                "<tr><td><code>{}</code>{star}<td>{}<td><code>{}</code></tr>",
                escaped(&parameter["name"]),
                escaped(&parameter["in"]),
                escape(&parameter["schema"].to_string()),
            );
        }
        html.push_str("</table>");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        let _ = write!(html, "<p>Body</p>{}", code(body));
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let schema = &answer["content"]["application/json"]["schema"];
        if status.starts_with('2') && !schema.is_null() {
            let _ = write!(html, "<p>{status}</p>{}", code(schema));
        }
    }
    let statuses =
        operation["responses"].as_object().into_iter().flatten().map(|(status, _)| status.as_str());
    let _ = write!(html, "<p>Answers {}.</p></details>", statuses.collect::<Vec<_>>().join(", "));
}

fn code(schema: &Value) -> String {
    let text = serde_json::to_string_pretty(schema).unwrap_or_default();
    format!("<pre>{}</pre>", escape(&text))
}

fn escaped(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
