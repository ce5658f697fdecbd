# Goes before a document's commands: see documents.py.
set -euo pipefail
export PYTHONUNBUFFERED=1  # a server's output goes to a file that is read while it runs
started=()
trap 'status=$?; for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done; wait; exit $status' EXIT

# Start a server in the background, and wait until it serves. An earlier one of the same name ends.
declare -A serving
serve() {
    local - name="$1 $2" log="served.$RANDOM"
    set +x
    local serves='the page and the API'
    case $name in
        "honcho start") name="fetcher up" ;;
        "fetcher simulate") serves='simulated-token' ;;
        "celery -A" | "celery --quiet") serves='ready\.|beat started|Visit me' ;;
    esac
    if [[ $1 != celery && -n "${serving[$name]:-}" ]]; then kill "${serving[$name]}"; wait "${serving[$name]}" || true; fi
    "$@" >"$log" 2>&1 &
    serving[$name]=$! started+=($!)
    for _ in $(seq 3000); do
        if grep -qE "$serves" "$log"; then sleep 0.2; return; fi
        if ! kill -0 "${serving[$name]}" 2>/dev/null; then echo "$* ended:"; cat "$log"; return 1; fi
        sleep 0.1
    done
    echo "$* does not serve:"; cat "$log"; return 1
}

# End every server, as a reader does by Ctrl-C in the other terminals.
end_servers() {
    local - pid
    set +x
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" || true; done
    started=()
}

# Targets that CI runs itself, or that change the machine, are not run: they must exist.
make() { command make --no-print-directory --dry-run -C "$CHECKOUT" "$@" >/dev/null; }

# A response with an error status is an error here.
curl() { command curl --silent --show-error --fail-with-body "$@"; }
