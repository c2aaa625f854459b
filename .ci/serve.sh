# To be sourced: runs a px0 in the background until the script ends.

work=$(mktemp -d)
server=

stop() {
  if [ -n "$server" ]; then
    # The shell and `cargo run` hand over to px0 in the same process; where a system cannot, px0 is a child.
    pkill -TERM -P "$server" 2>/dev/null || true
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  rm -rf "$work"
}
trap stop EXIT

# serve URL COMMAND...: waits until the px0 that the command starts is healthy; what it prints is in $work/log.
serve() {
  local url=$1
  shift
  if curl -s "$url/" >/dev/null; then
    echo "something listens on $url already" >&2
    exit 1
  fi
  "$@" >"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 1200); do
    kill -0 "$server" 2>/dev/null || break
    curl -sf "$url/v1/health" >/dev/null 2>&1 && return
    sleep 0.5
  done
  cat "$work/log" >&2
  exit 1
}
