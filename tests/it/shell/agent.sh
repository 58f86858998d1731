#!/bin/sh
# Uploads a file as Buildkite's agent does, with curl and nothing else, in a job that knows its token and this gateway.
# Usage: agent.sh BASE_URL JOB_TOKEN JOB_ID FILE
set -eu
eval "$(curl -fsS -X POST -H "JOB-TOKEN: $2" -H "Accept: text/plain" "$1/api/registry/v1/jobs/$3/environment")"
jobs="$BUILDKITE_AGENT_ENDPOINT/jobs/$BUILDKITE_JOB_ID/artifacts"
token="Authorization: Token $BUILDKITE_AGENT_ACCESS_TOKEN"
size=$(wc -c < "$4")
sha1=$(sha1sum "$4" | cut -d' ' -f1)
file="{\"path\":\"by/curl.txt\",\"file_size\":$size,\"sha1sum\":\"$sha1\",\"content_type\":\"text/plain\"}"
created=$(curl -fsS -H "$token" -d "{\"id\":\"one\",\"artifacts\":[$file],\"multipart_supported\":true}" "$jobs")
link=$(printf %s "$created" | grep -o '"url":"[^"]*for=part[^"]*"' | cut -d'"' -f4)
id=$(printf %s "$created" | sed 's/.*"artifact_ids":\["\([^"]*\)".*/\1/')
curl -fsS -T "$4" "$link"
curl -fsS -X PUT -H "$token" -d "{\"artifacts\":[{\"id\":\"$id\",\"state\":\"finished\"}]}" "$jobs"
found=$(curl -fsS -H "$token" "$BUILDKITE_AGENT_ENDPOINT/builds/$BUILDKITE_BUILD_ID/artifacts/search?query=by/*")
curl -fsSL "$(printf %s "$found" | grep -o '"url":"[^"]*"' | cut -d'"' -f4)"
