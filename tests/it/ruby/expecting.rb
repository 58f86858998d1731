# frozen_string_literal: true

# Says what a call of ruby-gitlab has to raise; used by the stories beside it.

require 'gitlab'

# A client whose token is that of one user.
def client_as(base_url, token)
  Gitlab.client(endpoint: "#{base_url}/api/v4", private_token: token)
end

# Asserts that the block raises exactly this error.
def expect(error)
  yield
rescue Gitlab::Error::Error => e
  raise "expected #{error}, got #{e.class}: #{e.message}" unless e.instance_of?(error)
else
  raise "expected #{error}, got an answer"
end
