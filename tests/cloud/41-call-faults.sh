#!/usr/bin/env bash
# The cloud's other calls fail, and EC2 shows late what it has launched: each apply ends in the right result or a clear error,
# nothing is launched twice, and nothing is left running.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

html='{"status":200,"body":"<html><body>Please log in</body></html>"}'
bad_gateway='{"status":502,"body":"<html><h1>502 Bad Gateway</h1></html>"}'

under 'throttling' '{"service":"ec2","throttle":true,"count":4}' 0 1
under 'an error of the server' '{"service":"ec2","error":{"status":500,"code":"InternalError"},"count":6}' 0 1
under 'pages instead of answers' "{\"service\":\"*\",\"raw\":$bad_gateway,\"count\":3}" 0 1
under 'pages to the end' "{\"action\":\"DescribeInstances\",\"raw\":$html,\"count\":0}" 3 0 'DescribeInstances.*a page of HTML'
under 'an end that is not answered' '{"action":"TerminateInstances","lose_reply":true,"count":2}' 0 1
under 'an end that gets lost' '{"action":"TerminateInstances","lose_request":true,"count":2}' 0 1
under 'a store that errs' '{"service":"s3","error":{"status":503,"code":"SlowDown"},"count":3}' 0 1
under 'a store whose replies get lost' '{"service":"s3","action":"PutObject","lose_reply":true,"count":2}' 0 1
under 'a store whose answers are cut' '{"service":"s3","method":"GET","cut_body":10,"count":2}' 0 1

# EC2 takes a moment to show what it has launched.
box set visibility_delay_s 3 >/dev/null
box set token_visibility_delay_s 3 >/dev/null
under 'a lost reply, and nothing to be seen yet' '{"action":"RunInstances","lose_reply":true}' 0 1
under 'replies that are all lost, and nothing to be seen yet' '{"action":"RunInstances","lose_reply":true,"count":0}' 3 1
work early entrypoint='sleep 60'
since
begin_apply
comes_true 20 has_launched
kill -INT "$pid"
await_apply
is_status 130 'interrupted before EC2 shows the instance'
newly 'interrupted before EC2 shows the instance' 1
done_testing
