# frozen_string_literal: true

# Deletes one job's artifacts; ruby-gitlab has no call for a whole project's.
#
# Usage: delete.rb BASE_URL TOKEN PROJECT_PATH JOB_ID OTHER_JOB_ID
#
# Both jobs have an archive; that of the second stays.

require_relative 'expecting'

base_url, token, project, job_id, other_job_id = ARGV
abort 'usage: delete.rb BASE_URL TOKEN PROJECT_PATH JOB_ID OTHER_JOB_ID' unless other_job_id

gitlab = client_as(base_url, token)
stranger = client_as(base_url, 'no-such-token')
expect(Gitlab::Error::Unauthorized) { stranger.job_artifacts_delete(project, job_id) }
raise 'the refused call deleted something' if gitlab.job_artifacts(project, job_id).empty?

gitlab.job_artifacts_delete(project, job_id)
expect(Gitlab::Error::NotFound) { gitlab.job_artifacts(project, job_id) }
expect(Gitlab::Error::NotFound) { gitlab.job_artifacts_keep(project, job_id) }
raise "another job's artifacts went too" if gitlab.job_artifacts(project, other_job_id).empty?

puts 'job: 204'
