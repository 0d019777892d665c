/* shared_config: the SDKs' shared files (~/.aws/config, ~/.aws/credentials) and the environment
 * variables beside them: profile, region, endpoints. Read once; any thread afterwards. Values that
 * are returned live until close; only those of the environment and whole values of the files end in
 * a NUL byte. */
#ifndef FURROW_AWS_SHARED_CONFIG_H
#define FURROW_AWS_SHARED_CONFIG_H

#include "planner/base/arena.h"
#include "planner/base/error.h"
#include "planner/base/str.h"

struct shared_config;

/* getenv_fn may be NULL: the real one. Missing files are empty ones. ERR_INPUT with file:line:column:
 * a file that is no such file, or AWS_PROFILE (or `profile`, when present) names a profile that is
 * nowhere (it lists those that are). */
int shared_config_open(struct shared_config **out, struct str profile,
	const char *(*getenv_fn)(void *ctx, const char *name), void *ctx, struct error *err);
/* What it held is wiped. NULL is fine. */
void shared_config_close(struct shared_config *c);

struct str shared_config_profile(const struct shared_config *c);
/* It was named to open, not by the environment: then keys of the environment do not count. */
bool shared_config_profile_is_explicit(const struct shared_config *c);
bool shared_config_has_profile(const struct shared_config *c, struct str profile);
/* A key of a profile ("role_arn"); the credentials file wins over the config file for keys that are in
 * both. The three that are a key (aws_access_key_id, aws_secret_access_key, aws_session_token) come
 * from one file always. Absent: not there. `profile` absent: the chosen one. */
struct str shared_config_get(const struct shared_config *c, struct str profile, const char *key);
/* A key of `[sso-session NAME]`. */
struct str shared_config_sso(const struct shared_config *c, struct str session, const char *key);
bool shared_config_has_sso(const struct shared_config *c, struct str session);
/* AWS_REGION, AWS_DEFAULT_REGION, the profile's; absent: none of these. */
struct str shared_config_region(const struct shared_config *c);
/* AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, `services` section, profile; absent: AWS's own.
 * service: "ec2", "s3", "sts", "ssm". Without a trailing slash. */
struct str shared_config_endpoint(const struct shared_config *c, const char *service);
/* The variable as it is, absent when unset or empty. */
struct str shared_config_env(const struct shared_config *c, const char *name);
/* The home folder, absent when there is none. */
struct str shared_config_home(const struct shared_config *c);
/* Both files and which of them are there, for messages: "~/.aws/credentials (none), ~/.aws/config". */
struct str shared_config_files(const struct shared_config *c);

#endif
