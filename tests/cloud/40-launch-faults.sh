#!/usr/bin/env bash
# Launching fails in every way that it has: each apply ends in the right result or a clear error, nothing is launched twice, and
# nothing is left running. The ledger says so, not the journal.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

html='{"status":200,"body":"<html><body>Please log in</body></html>"}'

under 'a lost reply' '{"action":"RunInstances","lose_reply":true}' 0 1
under 'a lost reply, with a reset' '{"action":"RunInstances","lose_reply":"reset"}' 0 1
under 'replies that are all lost' '{"action":"RunInstances","lose_reply":true,"count":0}' 3 1 'RunInstances.*Empty reply'
under 'a lost reply, then a refusal' '[{"action":"RunInstances","lose_reply":true},
	{"action":"RunInstances","error":{"status":403,"code":"UnauthorizedOperation"},"count":0}]' 64 1 '"ec2:RunInstances"'
under 'a refusal' '{"action":"RunInstances","error":{"status":403,"code":"UnauthorizedOperation"},"count":0}' 64 0
under 'lost requests' '{"action":"RunInstances","lose_request":true,"count":3}' 0 1
under 'a launch that the server errs at to the end' \
	'{"action":"RunInstances","error":{"status":500,"code":"InternalError"},"count":0}' 3 0 'InternalError.*4 attempts'
under 'a cut body' '{"action":"RunInstances","cut_body":200}' 0 1
under 'a slow body' '{"action":"RunInstances","slow_body":4000}' 0 1
under 'a page instead of an answer' "{\"action\":\"RunInstances\",\"raw\":$html}" 0 1
under 'one that dies while it is pending' '{"action":"RunInstances","pending_dies":{"code":"Server.InternalError"}}' 0 2
under 'all of them die' '{"action":"RunInstances","count":0,
	"pending_dies":{"code":"Client.VolumeLimitExceeded","message":"Volume limit exceeded"}}' 3 3 'Volume limit exceeded'
under 'no capacity in a zone' '{"action":"RunInstances","params":{"Placement.AvailabilityZone":"us-east-2a"},"count":0,
	"error":{"status":500,"code":"InsufficientInstanceCapacity"}}' 0 1
under 'a quota' '{"action":"RunInstances","error":{"status":400,"code":"VcpuLimitExceeded"},"count":0}' 3 0 'L-1216C47A'

work some-quota per_instance=1 max=2
since
fault '{"action":"RunInstances","skip":1,"error":{"status":400,"code":"VcpuLimitExceeded"},"count":0}'
apply
ends 'a quota that is enough for one of two' 0 1 '^warning: every task has its result, though instance\[[01]\] failed'
err_like '^failed instance\[[01]\]: .*L-1216C47A' 'a quota that is enough for one of two: which one'
done_testing
