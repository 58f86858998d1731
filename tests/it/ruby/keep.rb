# frozen_string_literal: true

# Keeps one job's artifacts and prints the job, as ruby-gitlab parsed it, as JSON.
#
# Usage: keep.rb BASE_URL TOKEN READ_ONLY_TOKEN PROJECT_PATH JOB_ID

require 'json'
require_relative 'expecting'

base_url, token, read_only_token, project, job_id = ARGV
abort 'usage: keep.rb BASE_URL TOKEN READ_ONLY_TOKEN PROJECT_PATH JOB_ID' unless job_id

expect(Gitlab::Error::Unauthorized) { client_as(base_url, 'no-such-token').job_artifacts_keep(project, job_id) }
expect(Gitlab::Error::Forbidden) { client_as(base_url, read_only_token).job_artifacts_keep(project, job_id) }
gitlab = client_as(base_url, token)
kept = gitlab.job_artifacts_keep(project, job_id)
again = gitlab.job_artifacts_keep(project, job_id)
raise "first #{kept.to_h}, then #{again.to_h}" unless kept.to_h == again.to_h

puts JSON.generate(kept.to_h)
