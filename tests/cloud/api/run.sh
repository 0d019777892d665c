# Sourced with the name of a module of tests: runs it with a Python that has moto, or says why not.
set -u
cloud=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
why=$(mktemp) || exit 1
if python=$("$cloud/python" 2>"$why"); then
	rm -f "$why"
	cd "$cloud" && PYTHONDONTWRITEBYTECODE=1 exec "$python" -m "api.$1"
fi
echo "ok 1 - $1 # SKIP $(tail -n 1 "$why")"
echo "1..1"
rm -f "$why"
