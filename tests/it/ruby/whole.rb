# frozen_string_literal: true

# Goes from a project's name to its newest artifacts, keeps and deletes them, with ruby-gitlab.
#
# Usage: whole.rb BASE_URL TOKEN PROJECT_PATH REF JOB_NAME OUT_DIR ENTRY_PATH
#
# Prints what it found; the caller compares that, and the files in OUT_DIR with the archive.

require 'fileutils'
require_relative 'expecting'

base_url, token, path, ref, job_name, out, entry = ARGV
abort 'usage: whole.rb BASE_URL TOKEN PROJECT_PATH REF JOB_NAME OUT_DIR ENTRY_PATH' unless entry

def assert(holds)
  raise 'not as expected' unless holds
end

FileUtils.mkdir(out)
write = ->(name, bytes) { File.binwrite(File.join(out, name), bytes) }
ids = ->(items) { items.map(&:id).join(' ') }
gitlab = client_as(base_url, token)
puts "user: #{gitlab.user.username}"

project = gitlab.project(path)
assert(ids.call(gitlab.projects(search: path.split('/').last).auto_paginate) == project.id.to_s)
puts "project: #{project.id}"

puts "jobs: #{ids.call(gitlab.jobs(path, per_page: 1).auto_paginate)}"
puts "succeeded: #{ids.call(gitlab.jobs(path, scope: %w[success failed], per_page: 1).auto_paginate)}"

newest = gitlab.pipelines(path, ref: ref, status: 'success', per_page: 1)
assert(newest.has_next_page?)
pipeline = gitlab.pipeline(path, newest.first.id)
puts "pipeline: #{pipeline.id}"
inside = gitlab.pipeline_jobs(path, pipeline.id, include_retried: true).auto_paginate
assert(gitlab.pipeline_bridges(path, pipeline.id).to_a.empty?)
job = gitlab.job(path, inside.find { |found| found.name == job_name }.id)
puts "job: #{job.id}"

write.call('by-id.zip', gitlab.job_artifacts(path, job.id))
write.call('by-ref.zip', gitlab.job_artifacts_download(path, ref, job_name).read)
write.call('one', gitlab.download_job_artifact_file(path, job.id, entry).read)
kept = gitlab.job_artifacts_keep(path, job.id)
puts "kept until: #{kept.artifacts_expire_at || 'None'}"
gitlab.job_artifacts_delete(path, job.id)
expect(Gitlab::Error::NotFound) { gitlab.job_artifacts(path, job.id) }
assert(!gitlab.job(path, job.id).to_h.key?('artifacts_file'))
puts 'deleted'
