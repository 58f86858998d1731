# frozen_string_literal: true

# Downloads one job's artifacts in every way that ruby-gitlab knows.
#
# Usage: download.rb BASE_URL TOKEN LONG_TOKEN PROJECT_PATH JOB_ID REF JOB_NAME OUT_DIR ENTRY_PATH...
#
# The caller compares the files in OUT_DIR with the archive and what it holds. No entry may be pure
# ASCII: the client takes such a body for JSON. A short token goes out as PRIVATE-TOKEN, a long one as
# a bearer.

require 'fileutils'
require_relative 'expecting'

base_url, token, long_token, project, job_id, ref, job_name, out, *entries = ARGV
abort 'usage: download.rb BASE_URL TOKEN LONG_TOKEN PROJECT_PATH JOB_ID REF JOB_NAME OUT_DIR ENTRY_PATH...' if entries.empty?

write = lambda do |name, bytes|
  path = File.join(out, name)
  FileUtils.mkdir_p(File.dirname(path))
  File.binwrite(path, bytes)
end

write_file = lambda do |name, filename, response|
  raise "#{name} came as #{response.filename}" unless response.filename == filename

  write.call(name, response.read)
end

gitlab = client_as(base_url, token)
write.call('by-id.zip', gitlab.job_artifacts(project, job_id))
write.call('bearer-by-id.zip', client_as(base_url, long_token).job_artifacts(project, job_id))
write_file.call('by-ref.zip', 'artifacts.zip', gitlab.job_artifacts_download(project, ref, job_name))
entries.each do |entry|
  name = File.basename(entry)
  write_file.call("by-id/#{entry}", name, gitlab.download_job_artifact_file(project, job_id, entry))
  write_file.call("by-ref/#{entry}", name, gitlab.download_branch_artifact_file(project, ref, entry, job_name))
end

missing = "#{entries.first}.missing"
expect(Gitlab::Error::NotFound) { gitlab.download_job_artifact_file(project, job_id, missing) }
expect(Gitlab::Error::NotFound) { gitlab.download_branch_artifact_file(project, ref, missing, job_name) }
expect(Gitlab::Error::NotFound) { gitlab.job_artifacts_download(project, ref, "#{job_name}?") }
puts 'missing: 404'

stranger = client_as(base_url, 'no-such-token')
expect(Gitlab::Error::Unauthorized) { stranger.job_artifacts(project, job_id) }
expect(Gitlab::Error::Unauthorized) { stranger.job_artifacts_download(project, ref, job_name) }
puts 'unauthorized: 401'
