#!/usr/bin/env bash
# Goes from a project's name to its newest artifacts, keeps and deletes them, with python-gitlab's
# command. It asks who it is before each call, has no word for the latest pipeline, and no way to fetch
# one file by the number of a job.
#
# Usage: command.sh GITLAB BASE_URL TOKEN PROJECT_PATH REF JOB_NAME OUT_DIR ENTRY_PATH
#
# Prints what it found; the caller compares that, and the files in OUT_DIR with the archive.
set -euo pipefail

command=$1 base_url=$2 token=$3 project=$4 ref=$5 job_name=$6 out=$7 entry=$8
mkdir -- "$out"
ask() { "$command" --server-url "$base_url" --private-token "$token" "$@"; }
# The values of a field, on one line.
each() { python3 -c 'import json, sys; found = json.load(sys.stdin); print(*(item[sys.argv[1]] for item in (found if isinstance(found, list) else [found])))' "$1"; }

echo "user: $(ask -o json current-user get | each username)"
[[ $(ask -o json project list --search "${project##*/}" --get-all | each id) == 1 ]]
echo "project: $(ask -o json project get --id "$project" | each id)"
echo "jobs: $(ask -o json project-job list --project-id "$project" --per-page 1 --get-all | each id)"
echo "succeeded: $(ask -o json project-job list --project-id "$project" --scope success,failed --per-page 1 --get-all | each id)"
pipeline=$(ask -o json project-pipeline list --project-id "$project" --ref "$ref" --status success --per-page 1 --page 1 | each id)
echo "pipeline: $(ask -o json project-pipeline get --project-id "$project" --id "$pipeline" | each id)"
job=$(ask -o json project-pipeline-job list --project-id "$project" --pipeline-id "$pipeline" --get-all | each id)
[[ $(ask -o json project-job get --project-id "$project" --id "$job" | each name) == "$job_name" ]]
echo "job: $job"
ask project-job artifacts --project-id "$project" --id "$job" >"$out/by-id.zip"
ask project-artifact download --project-id "$project" --ref-name "$ref" --job "$job_name" >"$out/by-ref.zip"
ask project-artifact raw --project-id "$project" --ref-name "$ref" --artifact-path "$entry" --job "$job_name" >"$out/one"
ask project-job keep-artifacts --project-id "$project" --id "$job"
echo "kept until: $(ask -o json project-job get --project-id "$project" --id "$job" | each artifacts_expire_at)"
ask project-job delete-artifacts --project-id "$project" --id "$job"
if ask project-job artifacts --project-id "$project" --id "$job" 2>"$out/error"; then
    exit 1
fi
grep -q 404 "$out/error"
echo deleted
