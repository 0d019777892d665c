#!/bin/sh
# The longest Collatz sequence that begins with one of the 60 numbers from 60 x $1 on.
echo "from $((60 * $1 + 1))"
end=$((60 * $1 + 60)) best=0 n=$((60 * $1 + 1))
while [ $n -le $end ]; do
	at=$n steps=0
	while [ $at -ne 1 ]; do
		if [ $((at % 2)) = 0 ]; then at=$((at / 2)); else at=$((3 * at + 1)); fi
		steps=$((steps + 1))
	done
	[ $steps -le $best ] || { best=$steps; of=$n; }
	n=$((n + 1))
done
sleep 2 # a task that is worth an instance takes longer than this one
mkdir -p out
echo "$of $best" >out/longest
