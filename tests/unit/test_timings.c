/* timings: journals read back: what they say, and the critical path. */
#include "tests/unit/journal_fixture.h"

static const struct timing_node *
get(struct fixture *f, enum kind kind, uint32_t index)
{
	const struct timing_node *n = timings_find(&f->t, kind, index);

	assert_non_null(n);
	return n;
}

static void
the_head_alone(void **state)
{
	struct fixture *f = *state;

	parse(f);
	assert_true(str_is(f->t.run, "01JDBR5W0GABCDEFGHJKMNPQRS"));
	assert_true(str_is(f->t.trace, "ab"));
	assert_true(str_is(f->t.job, "words"));
	assert_true(str_is(f->t.infra, "local"));
	assert_true(str_is(f->t.manifest, "sha256:62"));
	assert_true(str_is(f->t.commit, "1a2b"));
	assert_true(str_is(f->t.wall0, "2024-11-23T06:00:00.123Z"));
	assert_null(f->t.plan.p);
	assert_true(f->t.dirty);
	assert_int_equal(f->t.pid, 42);
	assert_int_equal(f->t.n_tasks, 3);
	assert_int_equal(f->t.n_in_place, 1);
	assert_string_equal(f->t.span, "b359565622da438f");
	assert_false(f->t.done);
	assert_int_equal(f->t.wall_ns, 0);
	assert_null(timings_find(&f->t, KIND_TASK, 0));
}

static void
nodes_are_unfolded(void **state)
{
	struct fixture *f = *state;

	node(f, "task[3..5,9,2]", ",\"kind\":\"task\",\"needs\":\"slot\",\"after\":[\"source\"]");
	node(f, "source", "");
	node(f, "task[0]", "");
	parse(f);
	assert_int_equal(f->t.n_nodes, 7);
	assert_int_equal(f->t.nodes[0].kind, KIND_SOURCE);
	assert_int_equal(f->t.nodes[1].index, 0);
	assert_int_equal(f->t.nodes[6].index, 9);
	assert_int_equal(get(f, KIND_TASK, 5)->state, NODE_WAITING);
	assert_true(f->t.groups[get(f, KIND_TASK, 9)->group].needs_slot);
	assert_false(f->t.groups[get(f, KIND_TASK, 0)->group].needs_slot);
	assert_null(timings_find(&f->t, KIND_TASK, 6));
}

static void
a_whole_run(void **state)
{
	struct fixture *f = *state;
	const struct timing_node *n;

	set_up_run(f);
	parse(f);
	assert_true(f->t.done);
	assert_int_equal(f->t.exit_code, 1);
	assert_int_equal(f->t.tasks_failed, 1);
	assert_int_equal(f->t.wall_ns, 503);
	assert_int_equal(f->t.torn_bytes, 0);

	n = get(f, KIND_TASK, 0);
	assert_int_equal(n->state, NODE_OK);
	assert_int_equal(n->ready_ns, 1);
	assert_int_equal(n->end_ns, 410);
	assert_int_equal(n->n_attempts, 1);
	assert_int_equal(n->phase_ns[PHASE_QUEUE], 159);
	assert_int_equal(n->phase_ns[PHASE_RUN], 240);
	assert_int_equal(n->phase_ns[PHASE_COLLECT], 10);
	assert_int_equal(n->attempts[0].outcome.cpu_ns, 99);
	assert_int_equal(n->attempts[0].outcome.max_rss_bytes, 4096);
	assert_int_equal(n->attempts[0].outcome.stdout_kept_bytes, 7);
	assert_int_equal(n->attempts[0].outcome.output_files, 3);
	assert_string_equal(n->attempts[0].span, "0000000000000003");
	assert_null(n->attempts[0].error.p);

	n = get(f, KIND_TASK, 1);
	assert_int_equal(n->state, NODE_FAILED);
	assert_true(str_is(n->attempts[0].error, "exit status 3"));
	assert_true(str_is(n->attempts[0].why, "slot"));
	assert_int_equal(n->attempts[0].outcome.exit_status, 3);
	assert_int_equal(n->attempts[0].outcome.stdout_kept_bytes, 4);

	assert_int_equal(get(f, KIND_TASK, 2)->state, NODE_CANCELLED);
	assert_int_equal(get(f, KIND_TASK, 2)->ready_ns, -1);
	assert_int_equal(get(f, KIND_ENVIRONMENT, 0)->attempts[0].outcome.slots, 1);
	assert_int_equal(get(f, KIND_ENVIRONMENT, 0)->phase_ns[PHASE_ENV], 49);
}

static void
the_critical_path_goes_over_the_slot(void **state)
{
	struct fixture *f = *state;

	set_up_run(f);
	parse(f);
	/* source [0,100], environment [100,150], task 0 from its slot to its process's end
	 * [150,400], task 1 [400,455], collect from there to the end. */
	assert_int_equal(get(f, KIND_SOURCE, 0)->critical_ns, 100);
	assert_int_equal(get(f, KIND_ENVIRONMENT, 0)->critical_ns, 50);
	assert_int_equal(get(f, KIND_TASK, 0)->critical_ns, 250);
	assert_int_equal(get(f, KIND_TASK, 1)->critical_ns, 55);
	assert_int_equal(get(f, KIND_COLLECT, 0)->critical_ns, 48);
	assert_false(get(f, KIND_TASK, 2)->critical);
	assert_int_equal(f->t.critical_phase_ns[PHASE_UPLOAD], 98);
	assert_int_equal(f->t.critical_phase_ns[PHASE_ENV], 49);
	assert_int_equal(f->t.critical_phase_ns[PHASE_RUN], 240 + 45);
	assert_int_equal(f->t.critical_phase_ns[PHASE_COLLECT], 5 + 43);
	assert_int_equal(f->t.critical_phase_ns[PHASE_QUEUE], 2 + 1 + 10 + 5 + 2);
	assert_int_equal(f->t.critical_phase_ns[PHASE_OTHER], 3);
}

static void
the_critical_path_goes_over_dependencies(void **state)
{
	struct fixture *f = *state;

	node(f, "source", "");
	node(f, "image", "");
	node(f, "environment[0..1]", ",\"after\":[\"source\",\"image\"]");
	begin(f, 0, 1, "source", ",\"phase\":\"upload\",\"ready\":0,\"why\":\"start\"");
	begin(f, 0, 2, "image", ",\"phase\":\"env\",\"ready\":0,\"why\":\"start\"");
	end(f, 70, 1, ",\"st\":\"ok\"");
	end(f, 90, 2, ",\"st\":\"ok\"");
	begin(f, 90, 3, "environment[0]", ",\"phase\":\"env\",\"ready\":90,\"why\":\"after\"");
	begin(f, 90, 4, "environment[1]", ",\"phase\":\"env\",\"ready\":90,\"why\":\"after\"");
	end(f, 91, 4, ",\"st\":\"ok\"");
	end(f, 95, 3, ",\"st\":\"ok\"");
	parse(f);
	assert_false(f->t.done);
	assert_int_equal(f->t.wall_ns, 95);
	assert_false(get(f, KIND_SOURCE, 0)->critical);
	assert_int_equal(get(f, KIND_IMAGE, 0)->critical_ns, 90);
	assert_int_equal(get(f, KIND_ENVIRONMENT, 0)->critical_ns, 5);
	assert_false(get(f, KIND_ENVIRONMENT, 1)->critical);
}

static void
the_critical_path_goes_over_what_failed(void **state)
{
	struct fixture *f = *state;

	node(f, "image", "");
	node(f, "environment[0]", ",\"after\":[\"image\"]");
	node(f, "task[0..1]", ",\"needs\":\"slot\"");
	node(f, "collect", ",\"after\":[\"task[0..1]\"]");
	begin(f, 1, 1, "image", ",\"phase\":\"env\",\"ready\":0,\"why\":\"start\"");
	end(f, 40, 1, ",\"st\":\"ok\"");
	begin(f, 41, 2, "environment[0]", ",\"phase\":\"env\",\"ready\":40,\"why\":\"after\"");
	end(f, 90, 2, ",\"st\":\"failed\",\"err\":{\"code\":\"host\",\"msg\":\"no\"}");
	begin(f, 93, 3, "collect", ",\"phase\":\"collect\",\"ready\":92,\"why\":\"after\"");
	end(f, 95, 3, ",\"st\":\"ok\"");
	parse(f);
	assert_int_equal(get(f, KIND_IMAGE, 0)->critical_ns, 40);
	assert_int_equal(get(f, KIND_ENVIRONMENT, 0)->critical_ns, 50);
	assert_int_equal(get(f, KIND_COLLECT, 0)->critical_ns, 5);
	assert_int_equal(f->t.critical_phase_ns[PHASE_ENV], 39 + 49);
	assert_int_equal(f->t.critical_phase_ns[PHASE_COLLECT], 2);
	assert_int_equal(f->t.critical_phase_ns[PHASE_QUEUE], 1 + 1 + 3);
}

static void
a_slot_that_was_free_before_is_not_what_it_waited_for(void **state)
{
	struct fixture *f = *state;

	node(f, "source", "");
	node(f, "task[0]", ",\"needs\":\"slot\"");
	node(f, "task[1]", ",\"needs\":\"slot\",\"after\":[\"source\"]");
	begin(f, 0, 1, "source", ",\"phase\":\"upload\",\"ready\":0,\"why\":\"start\"");
	begin(f, 0, 2, "task[0]", ",\"phase\":\"run\",\"ready\":0,\"why\":\"start\"");
	end(f, 40, 2, ",\"st\":\"ok\",\"a\":{\"ran\":[0,40]}");
	end(f, 50, 1, ",\"st\":\"ok\"");
	begin(f, 50, 3, "task[1]", ",\"phase\":\"run\",\"ready\":50,\"why\":\"slot\"");
	end(f, 70, 3, ",\"st\":\"ok\",\"a\":{\"ran\":[55,70]}");
	parse(f);
	assert_int_equal(get(f, KIND_SOURCE, 0)->critical_ns, 50);
	assert_int_equal(get(f, KIND_TASK, 1)->critical_ns, 20);
	assert_false(get(f, KIND_TASK, 0)->critical);
}

static void
attempts_follow_each_other(void **state)
{
	struct fixture *f = *state;
	const struct timing_node *n;

	node(f, "task[0]", ",\"needs\":\"slot\"");
	begin(f, 10, 1, "task[0]", ",\"phase\":\"run\",\"ready\":5,\"why\":\"slot\"");
	end(f, 30, 1,
		",\"st\":\"abandoned\",\"err\":{\"msg\":\"lost\"},\"retry\":40,"
		"\"a\":{\"ran\":[10,30],\"exit\":-1}");
	begin(f, 50, 2, "task[0]",
		",\"phase\":\"run\",\"ready\":40,\"why\":\"retry\",\"try\":2,\"place\":7");
	end(f, 60, 2, ",\"st\":\"failed\",\"retry\":60,\"a\":{\"ran\":[50,60],\"exit\":1}");
	begin(f, 60, 3, "task[0]", ",\"phase\":\"run\",\"ready\":60,\"why\":\"retry\",\"try\":3");
	end(f, 80, 3, ",\"st\":\"ok\",\"a\":{\"ran\":[60,80]}");
	parse(f);
	n = get(f, KIND_TASK, 0);
	assert_int_equal(n->n_attempts, 3);
	assert_int_equal(n->state, NODE_OK);
	assert_true(n->attempts[0].abandoned);
	assert_true(n->attempts[0].outcome.place_lost);
	assert_int_equal(n->attempts[0].state, NODE_FAILED);
	assert_int_equal(n->attempts[0].retry_ns, 40);
	assert_int_equal(n->attempts[1].place, 7);
	assert_int_equal(n->attempts[1].ready_ns, 40);
	assert_int_equal(n->attempts[2].attempt, 3);
	assert_int_equal(n->phase_ns[PHASE_QUEUE], 5 + 20);
	assert_int_equal(n->phase_ns[PHASE_RUN], 50);
	assert_int_equal(n->critical_ns, 80);
}

static void
a_delay_that_was_cut_short(void **state)
{
	struct fixture *f = *state;

	node(f, "task[0]", ",\"needs\":\"slot\"");
	begin(f, 10, 1, "task[0]", ",\"phase\":\"run\",\"ready\":5,\"why\":\"slot\"");
	end(f, 30, 1, ",\"st\":\"failed\",\"retry\":4000");
	parse(f);
	assert_int_equal(get(f, KIND_TASK, 0)->state, NODE_PENDING);
	line(f, "done", ",\"t\":35,\"exit\":130,\"interrupted\":true");
	parse(f);
	assert_int_equal(get(f, KIND_TASK, 0)->state, NODE_CANCELLED);
	assert_int_equal(get(f, KIND_TASK, 0)->end_ns, 30);
	assert_true(f->t.interrupted);
}

static void
a_run_that_goes_on(void **state)
{
	struct fixture *f = *state;
	const struct timing_node *n;

	set_up_run(f);
	f->text.n = (size_t)(strstr(buf_cstr(&f->text), "{\"ev\":\"end\",\"n\":12") - f->text.p);
	parse(f);
	assert_false(f->t.done);
	assert_int_equal(f->t.wall_ns, 410);
	n = get(f, KIND_TASK, 1);
	assert_int_equal(n->state, NODE_RUNNING);
	assert_int_equal(n->end_ns, -1);
	assert_int_equal(n->attempts[0].end_ns, -1);
	assert_int_equal(n->phase_ns[PHASE_QUEUE] + n->phase_ns[PHASE_RUN], 409);
	assert_true(n->critical);
	assert_int_equal(get(f, KIND_TASK, 2)->state, NODE_WAITING);
}

/* Two slots at a place, five tasks given to it. */
static void
set_up_queue(struct fixture *f)
{
	node(f, "environment[3]", ",\"gives\":\"slot\"");
	node(f, "task[0..4]", ",\"needs\":\"slot\"");
	begin(f, 0, 1, "environment[3]", ",\"phase\":\"env\",\"ready\":0,\"why\":\"start\"");
	end(f, 10, 1, ",\"st\":\"ok\",\"a\":{\"slots\":2}");
	for (int i = 0; i < 5; i++) {
		char id[KIND_ID_BYTES];

		kind_id(id, KIND_TASK, (uint32_t)i);
		begin(f, 10 + i, 2 + i, id,
			",\"phase\":\"run\",\"ready\":0,\"why\":\"slot\",\"place\":3");
	}
}

static void
what_queues_at_its_place_waits(void **state)
{
	struct fixture *f = *state;

	set_up_queue(f);
	end(f, 40, 3, ",\"st\":\"ok\",\"a\":{\"ran\":[12,30]}");
	end(f, 45, 4, ",\"st\":\"cancelled\"");
	end(f, 50, 6, ",\"st\":\"cancelled\"");
	parse(f);
	/* task 2 got the slot of task 1 when the process of that ended, and gave it to task 3 */
	assert_int_equal(get(f, KIND_TASK, 0)->state, NODE_RUNNING);
	assert_int_equal(get(f, KIND_TASK, 0)->phase_ns[PHASE_RUN], 40);
	assert_int_equal(get(f, KIND_TASK, 2)->attempts[0].slot_ns, 30);
	assert_int_equal(get(f, KIND_TASK, 3)->state, NODE_RUNNING);
	assert_int_equal(get(f, KIND_TASK, 3)->phase_ns[PHASE_QUEUE], 45);
	assert_int_equal(get(f, KIND_TASK, 3)->phase_ns[PHASE_RUN], 5);
	assert_int_equal(get(f, KIND_TASK, 4)->state, NODE_CANCELLED);
	assert_int_equal(get(f, KIND_TASK, 4)->phase_ns[PHASE_QUEUE], 50);
	assert_int_equal(get(f, KIND_TASK, 4)->phase_ns[PHASE_RUN], 0);
}

static void
a_run_that_died_left_what_queued_waiting(void **state)
{
	struct fixture *f = *state;

	set_up_queue(f);
	end(f, 90, 4, ",\"st\":\"cancelled\"");
	parse(f);
	for (uint32_t i = 0; i < 5; i++) {
		const struct timing_node *n = get(f, KIND_TASK, i);

		if (i == 2)
			continue;
		assert_int_equal(n->state, i < 2 ? NODE_RUNNING : NODE_READY);
		assert_int_equal(n->attempts[0].state, n->state);
		assert_int_equal(n->phase_ns[PHASE_RUN], i < 2 ? 80 - i : 0);
		assert_int_equal(n->phase_ns[PHASE_QUEUE], i < 2 ? 10 + i : 90);
	}
}

/* The environment was made anew, so its slots are free. */
static void
a_place_made_anew_has_its_slots(void **state)
{
	struct fixture *f = *state;

	set_up_queue(f);
	for (int i = 0; i < 5; i++)
		end(f, 20 + i, 2 + i,
			i == 1 ? ",\"st\":\"abandoned\",\"retry\":30,\"a\":{\"ran\":[11,21]}"
			       : ",\"st\":\"abandoned\",\"retry\":30");
	begin(f, 25, 7, "environment[3]", ",\"phase\":\"env\",\"ready\":20,\"try\":2");
	end(f, 30, 7, ",\"st\":\"ok\",\"a\":{\"slots\":1}");
	begin(f, 30, 8, "task[4]", ",\"phase\":\"run\",\"ready\":30,\"place\":3,\"try\":2");
	begin(f, 31, 9, "task[0]", ",\"phase\":\"run\",\"ready\":30,\"place\":3,\"try\":2");
	parse(f);
	assert_int_equal(get(f, KIND_TASK, 4)->state, NODE_RUNNING);
	assert_int_equal(get(f, KIND_TASK, 0)->state, NODE_READY);
	assert_int_equal(get(f, KIND_TASK, 0)->attempts[0].state, NODE_CANCELLED);
	assert_true(get(f, KIND_TASK, 0)->attempts[0].abandoned);
	assert_int_equal(get(f, KIND_TASK, 1)->state, NODE_PENDING);
	/* Until it was lost the place was in use. */
	assert_int_equal(get(f, KIND_ENVIRONMENT, 3)->phase_ns[PHASE_OTHER], 10);
	assert_int_equal(get(f, KIND_ENVIRONMENT, 3)->phase_ns[PHASE_QUEUE], 5);
	assert_int_equal(get(f, KIND_ENVIRONMENT, 3)->phase_ns[PHASE_ENV], 15);
	assert_int_equal(get(f, KIND_TASK, 1)->critical_ns, 11);
}

/* What it left has its grace as well: that is no collecting, and the slot is not free before. */
static void
what_was_stopped_runs_until_the_last_of_it_is_gone(void **state)
{
	struct fixture *f = *state;
	const struct timing_node *n;

	set_up_queue(f);
	end(f, 40, 2, ",\"st\":\"cancelled\",\"a\":{\"ran\":[12,15]}");
	end(f, 60, 3, ",\"st\":\"failed\",\"a\":{\"ran\":[12,20],\"exit\":-1,\"timeout\":true}");
	end(f, 60, 4, ",\"st\":\"failed\",\"a\":{\"ran\":[41,50],\"exit\":1}");
	parse(f);
	n = get(f, KIND_TASK, 0);
	assert_int_equal(n->phase_ns[PHASE_QUEUE], 12);
	assert_int_equal(n->phase_ns[PHASE_RUN], 28);
	assert_int_equal(n->phase_ns[PHASE_COLLECT], 0);
	assert_int_equal(get(f, KIND_TASK, 1)->phase_ns[PHASE_RUN], 48);
	assert_int_equal(get(f, KIND_TASK, 2)->phase_ns[PHASE_RUN], 9);
	assert_int_equal(get(f, KIND_TASK, 2)->phase_ns[PHASE_COLLECT], 10);
}

static void
phases_of_a_step(void **state)
{
	struct fixture *f = *state;
	const struct timing_node *n;
	const struct boot *boot;

	node(f, "instance[0..1]", "");
	begin(f, 0, 1, "instance[0]", ",\"phase\":\"launch\",\"ready\":0,\"why\":\"start\"");
	begin(f, 0, 2, "instance[1]", ",\"phase\":\"launch\",\"ready\":0,\"why\":\"start\"");
	line(f, "phase", ",\"t\":10,\"span\":\"%016x\",\"phase\":\"boot\"", 1);
	line(f, "phase", ",\"t\":30,\"span\":\"%016x\",\"phase\":\"ssh\"", 1);
	line(f, "phase", ",\"t\":31,\"span\":\"%016x\",\"phase\":\"boot\"", 1);
	end(f, 50, 1, ",\"st\":\"ok\"");
	end(f, 60, 2,
		",\"st\":\"ok\",\"a\":{\"ph\":{\"boot\":20,\"ssh\":15,\"new\":4},"
		"\"boot\":{\"kernel\":5,\"warm_files\":[3,4],\"warm_why\":\"no "
		"such\",\"disk\":[10,2],\"new\":[{}],"
		"\"ready\":9}}");
	parse(f);
	n = get(f, KIND_INSTANCE, 0);
	assert_int_equal(n->phase_ns[PHASE_LAUNCH], 10);
	assert_int_equal(n->phase_ns[PHASE_BOOT], 20 + 19);
	assert_int_equal(n->phase_ns[PHASE_SSH], 1);
	n = get(f, KIND_INSTANCE, 1);
	assert_int_equal(n->phase_ns[PHASE_LAUNCH], 0);
	assert_int_equal(n->phase_ns[PHASE_BOOT], 20);
	assert_int_equal(n->phase_ns[PHASE_SSH], 15);
	assert_int_equal(n->phase_ns[PHASE_OTHER], 25);
	assert_int_equal(f->t.phase_ns[PHASE_BOOT], 59);
	assert_null(get(f, KIND_INSTANCE, 0)->attempts[0].outcome.boot);
	boot = n->attempts[0].outcome.boot;
	assert_true(boot && boot->ns[BOOT_KERNEL] == 5 && boot->ns[BOOT_READY] == 9);
	assert_true(boot->ns[BOOT_RUNNING] == 0 && boot->warm_ns == 3 && boot->warm_bytes == 4);
	assert_string_equal(boot->warm_why, "no such");
	assert_true(boot->disk_bytes == 10 && boot->disk_bytes_per_s == 2);
}

static void
clocks_that_disagree_are_bent(void **state)
{
	struct fixture *f = *state;
	const struct timing_node *n;

	node(f, "task[0..1]", ",\"needs\":\"slot\"");
	begin(f, 100, 1, "task[0]", ",\"phase\":\"run\",\"ready\":90,\"why\":\"slot\"");
	end(f, 200, 1,
		",\"st\":\"ok\",\"a\":{\"ran\":[50,900],\"ph\":{\"upload\":9223372036854775807}}");
	begin(f, 200, 2, "task[1]", ",\"phase\":\"run\",\"ready\":90,\"why\":\"slot\"");
	end(f, 300, 2, ",\"st\":\"ok\",\"a\":{\"ran\":[280,260],\"ph\":{\"upload\":50}}");
	parse(f);
	n = get(f, KIND_TASK, 0);
	assert_int_equal(n->phase_ns[PHASE_RUN], 100);
	assert_int_equal(n->phase_ns[PHASE_UPLOAD], 0);
	n = get(f, KIND_TASK, 1);
	assert_int_equal(n->phase_ns[PHASE_RUN], 0);
	assert_int_equal(n->phase_ns[PHASE_UPLOAD], 50);
	assert_int_equal(n->phase_ns[PHASE_QUEUE], 110 + 30);
	assert_int_equal(n->phase_ns[PHASE_COLLECT], 20);
}

static void
what_became_of_places(void **state)
{
	struct fixture *f = *state;

	node(f, "environment[0..2]", ",\"gives\":\"slot\"");
	line(f, "notice",
		",\"t\":3,\"place\":2,\"until\":9,\"msg\":\"i-2 will be \\\"interrupted\\\"\"");
	line(f, "remake", ",\"t\":4,\"msg\":\"nobody waits\"");
	line(f, "remake", ",\"t\":5,\"place\":2,\"made\":true,\"new\":[1],\"msg\":\"it pays\"");
	parse(f);
	assert_int_equal(f->t.n_words, 3);
	assert_int_equal(f->t.words[0].place, 2);
	assert_int_equal(f->t.words[0].t_ns, 3);
	assert_false(f->t.words[0].remake);
	assert_true(str_is(f->t.words[0].text, "i-2 will be \"interrupted\""));
	assert_true(f->t.words[1].remake);
	assert_false(f->t.words[1].made);
	assert_int_equal(f->t.words[1].place, 0);
	assert_true(f->t.words[2].remake && f->t.words[2].made);
	assert_true(str_is(f->t.words[2].text, "it pays"));
}

static void
intents_and_what_came_of_them(void **state)
{
	struct fixture *f = *state;

	node(f, "instance[0..1]", "");
	begin(f, 0, 1, "instance[0]", "");
	begin(f, 0, 2, "instance[1]", "");
	line(f, "intent", ",\"t\":1,\"span\":\"%016x\",\"op\":\"Run\",\"token\":\"a\"", 1);
	line(f, "intent", ",\"t\":2,\"span\":\"%016x\",\"op\":\"Run\",\"token\":\"b\"", 2);
	line(f, "effect", ",\"t\":3,\"span\":\"%016x\",\"id\":\"i-2\"", 2);
	line(f, "effect", ",\"t\":4,\"span\":\"%016x\",\"id\":\"vol-2\"", 2);
	parse(f);
	assert_int_equal(f->t.n_intents, 3);
	assert_true(str_is(f->t.intents[0].token, "a"));
	assert_null(f->t.intents[0].effect.p);
	assert_int_equal(f->t.intents[0].effect_ns, -1);
	assert_true(str_is(f->t.intents[1].op, "Run"));
	assert_true(str_is(f->t.intents[1].effect, "i-2"));
	assert_int_equal(f->t.intents[1].effect_ns, 3);
	assert_int_equal(f->t.nodes[f->t.intents[1].node].index, 1);
	assert_null(f->t.intents[2].op.p);
	assert_true(str_is(f->t.intents[2].effect, "vol-2"));
}

static void
near(double is, double expected)
{
	if (is < expected - 1e-9 || is > expected + 1e-9)
		fail_msg("%.12f, expected %.12f", is, expected);
}

/* $36 an hour is a cent a second. instance[0] is launched, and replaced; [1] was there; [2] has no price. */
static void
what_instances_cost(void **state)
{
	struct fixture *f = *state;
	const int64_t s = 1000000000;

	node(f, "instance[0,2]", "");
	node(f, "environment[0..2]", ",\"gives\":\"slot\"");
	node(f, "release[0..2]", "");
	begin(f, 0, 1, "instance[0]", "");
	line(f, "effect",
		",\"t\":%lld,\"span\":\"%016x\",\"id\":\"i-0\",\"a\":{\"nusd\":36000000000}",
		(long long)(10 * s), 1);
	begin(f, 20 * s, 2, "environment[1]", ",\"a\":{\"new\":[1],\"nusd\":72000000000}");
	begin(f, 20 * s, 3, "instance[2]", "");
	line(f, "effect", ",\"t\":%lld,\"span\":\"%016x\",\"id\":\"i-2\",\"a\":{\"nusd\":-1}",
		(long long)(20 * s), 3);
	line(f, "effect",
		",\"t\":%lld,\"span\":\"%016x\",\"id\":\"i-00\",\"a\":{\"nusd\":18000000000}",
		(long long)(30 * s), 1);
	begin(f, 110 * s, 4, "release[0]", "");
	begin(f, 110 * s, 5, "release[1]", "");
	end(f, 130 * s, 4, ",\"st\":\"ok\"");
	end(f, 150 * s, 5, ",\"st\":\"failed\"");
	parse(f);
	assert_int_equal(f->t.n_lives, 4);
	assert_true(str_is(f->t.lives[0].id, "i-0") && f->t.lives[0].launched);
	assert_true(f->t.lives[0].end_ns == 30 * s);
	near(f->t.lives[0].usd, 0.60); /* a minute at least */
	assert_true(f->t.lives[1].index == 1 && !f->t.lives[1].id.p);
	assert_true(f->t.lives[1].begin_ns == 0 && f->t.lives[1].end_ns < 0);
	near(f->t.lives[1].usd, 3.00);
	assert_true(f->t.lives[2].usd < 0);
	near(f->t.lives[3].usd, 0.50);
	near(f->t.usd, 4.10);
	assert_true(f->t.usd_least);
	assert_true(f->t.said_ns < 0 && f->t.said_usd < 0);
}

/* From then on it costs nothing; another one in its place does, and one that never was is no matter. */
static void
what_has_ended_costs_nothing(void **state)
{
	struct fixture *f = *state;
	const long long s = 1000000000;

	node(f, "instance[1]", "");
	node(f, "release[1]", "");
	begin(f, 0, 1, "instance[1]", "");
	line(f, "effect",
		",\"t\":%lld,\"span\":\"%016x\",\"id\":\"i-0\",\"a\":{\"nusd\":36000000000}", 0LL,
		1);
	line(f, "gone", ",\"t\":%lld,\"place\":1,\"new\":{\"a\":[1]}", 80 * s);
	line(f, "gone", ",\"t\":%lld,\"place\":3", 90 * s);
	line(f, "effect",
		",\"t\":%lld,\"span\":\"%016x\",\"id\":\"i-1\",\"a\":{\"nusd\":36000000000}",
		100 * s, 1);
	line(f, "gone", ",\"t\":%lld,\"place\":1", 200 * s);
	begin(f, 300 * s, 2, "release[1]", "");
	end(f, 310 * s, 2, ",\"st\":\"ok\"");
	parse(f);
	assert_int_equal(f->t.n_lives, 2);
	assert_true(f->t.lives[0].end_ns == 80 * s);
	assert_true(f->t.lives[1].end_ns == 200 * s);
	near(f->t.usd, 1.80);
}

static void
a_torn_line_is_cut(void **state)
{
	struct fixture *f = *state;

	set_up_run(f);
	f->text.n -= 10;
	parse(f);
	assert_false(f->t.done);
	assert_true(f->t.torn_bytes > 40);
	assert_int_equal(f->t.wall_ns, 500);
	buf_clear(&f->text);
	buf_add_cstr(&f->text, HEAD);
	buf_add(&f->text, "\0\0\0\0", 4); /* what a crash of the machine may leave */
	parse(f);
	assert_int_equal(f->t.torn_bytes, 4);
}

static void
what_is_not_known_is_skipped(void **state)
{
	struct fixture *f = *state;

	node(f, "source", ",\"colour\":{\"red\":[1,2.5,null]},\"needs\":\"rest\"");
	line(f, "weather", ",\"sun\":true");
	begin(f, 1, 1, "source", ",\"phase\":\"upload\",\"mood\":\"good\"");
	end(f, 2, 1, ",\"st\":\"ok\",\"a\":{\"later\":1}");
	parse(f);
	assert_int_equal(get(f, KIND_SOURCE, 0)->state, NODE_OK);
	assert_false(f->t.groups[0].needs_slot);
}

static int
parse_head(struct fixture *f)
{
	f->err = (struct error){0};
	return timings_parse_head(&f->a, &f->t, buf_str(&f->text), STR("j"), &f->err);
}

static void
a_glance_at_the_head(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse_head(f), 0);
	assert_true(str_is(f->t.job, "words"));
	assert_false(f->t.done);
	set_up_run(f);
	assert_int_equal(parse_head(f), 0);
	assert_true(f->t.done);
	assert_int_equal(f->t.exit_code, 1);
	assert_int_equal(f->t.tasks_ok, 1);
	assert_int_equal(f->t.wall_ns, 503);
	f->text.n -= 2;
	assert_int_equal(parse_head(f), 0);
	assert_false(f->t.done);
	assert_int_equal(f->t.wall_ns, 500);
	buf_add_cstr(&f->text, "}} nonsense\n");
	assert_int_equal(parse_head(f), 0);
	assert_false(f->t.done);
	assert_int_equal(f->err.code, ERR_NONE);
}

static void
nothing_ever_began(void **state)
{
	struct fixture *f = *state;

	node(f, "task[0..9]", ",\"needs\":\"slot\"");
	line(f, "done", ",\"t\":77,\"exit\":3,\"cancelled\":10");
	parse(f);
	assert_int_equal(f->t.wall_ns, 77);
	assert_int_equal(f->t.critical_phase_ns[PHASE_OTHER], 77);
	assert_int_equal(get(f, KIND_TASK, 9)->state, NODE_CANCELLED);
}

/* Edges in a circle, and slots that free each other: the walk has to end. */
static void
a_circle_is_walked_once(void **state)
{
	struct fixture *f = *state;

	node(f, "task[0]", ",\"needs\":\"slot\",\"after\":[\"task[1]\"]");
	node(f, "task[1]", ",\"needs\":\"slot\",\"after\":[\"task[0..1]\"]");
	for (int i = 0; i < 2; i++)
		begin(f, 5, 1 + i, i ? "task[1]" : "task[0]", ",\"why\":\"slot\"");
	end(f, 5, 1, ",\"st\":\"ok\",\"a\":{\"ran\":[5,5]}");
	end(f, 5, 2, ",\"st\":\"ok\",\"a\":{\"ran\":[5,5]}");
	parse(f);
	assert_int_equal(f->t.wall_ns, 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_head_alone),
		TEST(nodes_are_unfolded),
		TEST(a_whole_run),
		TEST(the_critical_path_goes_over_the_slot),
		TEST(the_critical_path_goes_over_dependencies),
		TEST(the_critical_path_goes_over_what_failed),
		TEST(a_slot_that_was_free_before_is_not_what_it_waited_for),
		TEST(attempts_follow_each_other),
		TEST(a_delay_that_was_cut_short),
		TEST(a_run_that_goes_on),
		TEST(what_queues_at_its_place_waits),
		TEST(a_run_that_died_left_what_queued_waiting),
		TEST(a_place_made_anew_has_its_slots),
		TEST(what_was_stopped_runs_until_the_last_of_it_is_gone),
		TEST(phases_of_a_step),
		TEST(clocks_that_disagree_are_bent),
		TEST(what_became_of_places),
		TEST(intents_and_what_came_of_them),
		TEST(what_instances_cost),
		TEST(what_has_ended_costs_nothing),
		TEST(a_torn_line_is_cut),
		TEST(what_is_not_known_is_skipped),
		TEST(a_glance_at_the_head),
		TEST(nothing_ever_began),
		TEST(a_circle_is_walked_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
