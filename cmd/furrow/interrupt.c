/* interrupt: a flag that signals set. */
#include "cmd/furrow/interrupt.h"

#include <signal.h>

enum { N_SIGNALS = 3 };
static const int signals[N_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

/* What a handler can reach. */
static atomic_bool interrupted;
static atomic_int last_signal; /* by whatever thread the system chose */
static struct sigaction before[N_SIGNALS];

const atomic_bool *const interrupt_flag = &interrupted;

static void
on_signal(int number)
{
	atomic_store(&last_signal, number);
	atomic_store(&interrupted, true);
}

void
interrupt_catch(void)
{
	struct sigaction action = {
		.sa_handler = on_signal, .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};

	sigemptyset(&action.sa_mask);
	atomic_store(&last_signal, 0);
	atomic_store(&interrupted, false);
	for (int i = 0; i < N_SIGNALS; i++) {
		sigaction(signals[i], NULL, &before[i]);
		/* nohup, and shells that start background jobs, ignore some on purpose. */
		if (before[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

int
interrupt_release(void)
{
	int number;

	for (int i = 0; i < N_SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	number = atomic_load(&last_signal);
	return number ? 128 + number : 0;
}
