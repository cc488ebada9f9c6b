/* Histories of the scheduler, told as text: what happens, and what it must answer, action by action.
 *
 * Stages   "ID:TASKS[<PARENT,...][~BIND][!][*]"  !: publishes, *: done elsewhere
 * Events   job J S | cancel J | ok A F | cut A F | slow A F (ok, with throttlings) | fail A CLASS | bad A S.T.L B |
 *          jrn R | bound S | drop S | cap N | refused A | tick
 *          "ok!" and "cut!" are followed by the record's jrn at once; "@MS " before an event sets the time.
 * Actions  go S.T.L aN[#number][r] | stop N | jrn N | del N | undo N | bind S | open S | task S.T/LEGS | again S.T |
 *          full S | done J | lost J STATUS S[ aN] | at MS */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/sched.h"

#define STEPS 40

typedef struct history {
    const char *name, *stages;
    int32_t concurrency, retries, reruns, lease, grace, legs_max; /* 0: the usual 100, 1, 1, 1000, 100, 9; -1: none */
    bool timers; /* shown */
    const char *steps[STEPS][2];
} history;

static const history histories[] = {
    {"one task, one stage",
     "1:1",
     .steps = {{"job 7 1", "open 1 go 1.0.0 a1"},
               {"ok 1 5", "jrn 1"},
               {"jrn 1", "task 1.0/1 full 1 done 7"},
               {"job 8 1", "done 8"}}},
    {"a stage without tasks is done at once", "1:0 2:1<1", .steps = {{"job 1 2", "open 1 full 1 open 2 go 2.0.0 a1"}}},
    {"a job for a stage nobody knows", "1:1", .steps = {{"job 1 9", "lost 1 SDF_E_INVALID 9"}}},
    {"data made elsewhere needs no run", "1:1* 2:1<1", .steps = {{"job 1 2", "open 2 go 2.0.0 a1"}}},
    {"parents before children, nothing visible before its record",
     "1:2 2:1<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1 go 1.1.0 a2"},
               {"ok 1 5", "jrn 1"},
               {"ok 2 6", "jrn 2"},
               {"jrn 2", "task 1.1/1"},
               {"jrn 1", "task 1.0/1 full 1 open 2 go 2.0.0 a3"}}},
    {"only what the job needs runs",
     "1:1 2:1<1 3:1<1",
     .steps = {{"job 1 3", "open 1 go 1.0.0 a1"}, {"ok! 1 1", "jrn 1 task 1.0/1 full 1 open 3 go 3.0.0 a2"}}},
    {"cap",
     "1:4",
     .concurrency = 2,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2"},
               {"ok! 1 1", "jrn 1 go 1.2.0 a3 task 1.0/1"},
               {"cap 1", ""},
               {"ok! 2 1", "jrn 2 task 1.1/1"},
               {"ok! 3 1", "jrn 3 go 1.3.0 a4 task 1.2/1"}}},
    {"a cap of none is a cap of one", "1:2", .steps = {{"cap 0", ""}, {"job 1 1", "open 1 go 1.0.0 a1"}}},
    {"earlier jobs first, then stages, then tasks",
     "1:2 2:2 3:2<1,2",
     .concurrency = 1,
     .steps = {{"job 2 2", "open 2 go 2.0.0 a1"},
               {"job 1 1", ""},
               {"job 3 3", ""},
               {"ok! 1 1", "jrn 1 go 2.1.0 a2 task 2.0/1"},
               {"ok! 2 1", "jrn 2 open 1 go 1.0.0 a3 task 2.1/1 full 2 done 2"},
               {"ok! 3 1", "jrn 3 go 1.1.0 a4 task 1.0/1"}}},
    {"a retry goes before later tasks",
     "1:3",
     .concurrency = 1,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"fail 1 TRANSIENT", "go 1.1.0 a2"},
               {"@1000 ok! 2 1", "jrn 2 go 1.0.0 a3#1 task 1.1/1"}}},
    {"each class that costs a retry, and what the job then fails with",
     "1:1 2:1 3:1 4:1 5:1 6:1",
     .retries = -1,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"fail 1 TRANSIENT", "lost 1 SDF_E_IO 1 a1"},
               {"job 2 2", "open 2 go 2.0.0 a2"},
               {"fail 2 TIMEOUT", "lost 2 SDF_E_TIMEOUT 2 a2"},
               {"job 3 3", "open 3 go 3.0.0 a3"},
               {"fail 3 MEMORY", "lost 3 SDF_E_NO_MEMORY 3 a3"},
               {"job 4 4", "open 4 go 4.0.0 a4"},
               {"fail 4 LOST", "lost 4 SDF_E_LOST 4 a4"},
               {"job 5 5", "open 5 go 5.0.0 a5"},
               {"fail 5 USER", "lost 5 SDF_E_USER 5 a5"},
               {"job 6 6", "open 6 go 6.0.0 a6"},
               {"fail 6 FATAL", "lost 6 SDF_E_INVALID 6 a6"}}},
    {"retries are counted for each task, and fatal ones aren't tried again",
     "1:2",
     .retries = 2,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2"},
               {"fail 1 USER", ""},
               {"fail 2 USER", ""},
               {"@500 tick", "go 1.0.0 a3#1 go 1.1.0 a4#1"},
               {"fail 3 LOST", ""},
               {"@900 tick", "go 1.0.0 a5#2"},
               {"fail 5 TIMEOUT", "lost 1 SDF_E_TIMEOUT 1 a5 stop 4"}}},
    {"fatal",
     "1:2",
     .retries = 5,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2"},
               {"fail 2 FATAL", "lost 1 SDF_E_INVALID 1 a2 stop 1"}}},
    {"throttling costs nothing and halves the window, once in a backoff interval",
     "1:9",
     .concurrency = 4,
     .retries = -1,
     .lease = 100000,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2 go 1.2.0 a3 go 1.3.0 a4"},
               {"fail 1 THROTTLED", ""}, /* window 2 */
               {"fail 2 THROTTLED", ""},
               {"@1000 tick", ""},       /* two run */
               {"ok! 3 1", "jrn 3 go 1.0.0 a5#1 task 1.2/1"}, /* 2.5 */
               {"ok! 4 1", "jrn 4 go 1.1.0 a6#1 task 1.3/1"}, /* 2.9 */
               {"ok! 5 1", "jrn 5 go 1.4.0 a7 go 1.5.0 a8 task 1.0/1"}, /* 3.2 */
               {"slow! 6 1", "jrn 6 task 1.1/1"}, /* 1.6 */
               {"ok! 7 1", "jrn 7 go 1.6.0 a9 task 1.4/1"}, /* 2.2 */
               {"@2000 fail 8 THROTTLED", ""},
               {"@2001 fail 9 THROTTLED", "go 1.7.0 a10"}, /* 1.1 */
               {"@4000 fail 10 THROTTLED", "go 1.5.0 a11#1"}, /* never below one */
               {"@9000 fail 11 THROTTLED", "go 1.6.0 a12#1"}}},
    {"a full transport: again when a place is free, or after a while",
     "1:3",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2 go 1.2.0 a3"},
               {"refused 2", ""},
               {"refused 3", ""},
               {"ok! 1 1", "jrn 1 go 1.1.0 a4 go 1.2.0 a5 task 1.0/1"},
               {"refused 4", ""},
               {"refused 5", ""},
               {"@99 tick", ""},
               {"@100 tick", "go 1.1.0 a6 go 1.2.0 a7"}}},
    {"an answer twice counts once",
     "1:1 2:1<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok 1 5", "jrn 1"},
               {"ok 1 5", ""},
               {"fail 1 LOST", ""},
               {"jrn 1", "task 1.0/1 full 1 open 2 go 2.0.0 a2"},
               {"jrn 1", ""},
               {"ok 1 5", ""},
               {"fail 2 USER", ""},
               {"fail 2 USER", ""},
               {"ok 2 5", ""},
               {"ok 77 5", ""},
               {"jrn 77", ""},
               {"@1099 tick", "go 2.0.0 a3#1"},
               {"@1100 tick", "del 2"}}},
    {"no answer within lease and grace: tried again, and the late one may still win",
     "1:1",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"@1099 tick", ""},
               {"@1100 tick", "stop 1"},
               {"@1200 tick", "go 1.0.0 a2#1"},
               {"ok! 1 5", "stop 2 jrn 1 task 1.0/1 full 1 done 1"},
               {"ok 2 5", "del 2"}}},
    {"a late one comes second",
     "1:1",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"@1100 tick", "stop 1"},
               {"@1200 tick", "go 1.0.0 a2#1"},
               {"ok 2 5", "del 1 jrn 2"},
               {"ok 1 5", ""},
               {"jrn 2", "task 1.0/1 full 1 done 1"}}},
    {"a late one wins while its leg waits",
     "1:1",
     .retries = 3,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"@1100 tick", "stop 1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 done 1"},
               {"@9000 tick", ""}}},
    {"a late failure is no second failure",
     "1:1",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"@1100 tick", "stop 1"},
               {"fail 1 LOST", "del 1"},
               {"@1300 tick", "go 1.0.0 a2#1"}}},
    {"no answer at all: the job fails",
     "1:1",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"@1100 tick", "stop 1"},
               {"@1200 tick", "go 1.0.0 a2#1"},
               {"@2300 tick", "stop 2 lost 1 SDF_E_LOST 1 a2 del 2 del 1"}}},
    {"what failed is discarded when its lease is over, not before",
     "1:1",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"fail 1 TRANSIENT", ""},
               {"@500 tick", "go 1.0.0 a2#1"},
               {"ok! 2 5", "jrn 2 task 1.0/1 full 1 done 1"},
               {"@1099 tick", ""},
               {"@1100 tick", "del 1"},
               {"@9999 tick", ""}}},
    {"without leases there is nothing to wait for",
     "1:1",
     .lease = -1,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"@999999 tick", ""},
               {"fail 1 TRANSIENT", "del 1"},
               {"@1000999 tick", "go 1.0.0 a2#1"},
               {"cancel 1", "stop 2"},
               {"fail 2 LOST", "del 2"}}},
    {"legs follow one another; consumers wait for the last",
     "1:1 2:1<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"cut 1 5", "jrn 1"},
               {"jrn 1", "go 1.0.1 a2"},
               {"cut! 2 6", "jrn 2 go 1.0.2 a3"},
               {"fail 3 TRANSIENT", ""},
               {"@500 tick", "go 1.0.2 a4#1"},
               {"ok! 4 7", "jrn 4 task 1.0/3 full 1 open 2 go 2.0.0 a5"}}},
    {"too many legs",
     "1:1",
     .legs_max = 2,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"cut! 1 5", "jrn 1 go 1.0.1 a2"},
               {"cut! 2 6", "jrn 2 lost 1 SDF_E_LIMIT 1 a2"}}},
    {"a bad object: its producer runs again, the consumer waits at no cost",
     "1:2 2:2<1",
     .retries = -1,
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1 go 1.1.0 a2"},
               {"ok! 1 5", "jrn 1 task 1.0/1"},
               {"ok! 2 6", "jrn 2 task 1.1/1 full 1 open 2 go 2.0.0 a3 go 2.1.0 a4"},
               {"bad 3 1.1.0 2", "again 1.1 go 1.1.0 a5r"},
               {"bad 4 1.1.0 2", ""}, /* the same: known */
               {"ok 5 6", "jrn 5"},
               {"jrn 5", "del 2 task 1.1/1 full 1 go 2.0.0 a6 go 2.1.0 a7"},
               {"ok! 6 1", "jrn 6 task 2.0/1"},
               {"ok! 7 1", "jrn 7 task 2.1/1 full 2 done 1"}}},
    {"a consumer that read an object since replaced is only started again",
     "1:1 2:2<1",
     .retries = -1,
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2 go 2.1.0 a3"},
               {"bad 2 1.0.0 1", "again 1.0 go 1.0.0 a4r"},
               {"ok! 4 5", "jrn 4 del 1 task 1.0/1 full 1 go 2.0.0 a5"},
               {"bad 3 1.0.0 1", "go 2.1.0 a6"}}},
    {"a consumer that names what it can't have read fails like any other",
     "1:1 2:1<1 3:1",
     .retries = 3,
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2"},
               {"bad 2 1.0.0 77", ""},
               {"@500 tick", "go 2.0.0 a3#1"},
               {"bad 3 3.0.0 1", ""},
               {"@1000 tick", "go 2.0.0 a4#2"},
               {"bad 4 1.5.0 1", ""},
               {"@1090 tick", ""},
               {"@2000 tick", "del 2 del 3 go 2.0.0 a5#3"},
               {"bad 5 1.0.3 1", "lost 1 SDF_E_IO 2 a5"}}},
    {"too many bad objects of one producer",
     "1:1 2:1<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2"},
               {"bad 2 1.0.0 1", "again 1.0 go 1.0.0 a3r"},
               {"ok! 3 5", "jrn 3 del 1 task 1.0/1 full 1 go 2.0.0 a4"},
               {"bad 4 1.0.0 3", "again 1.0 lost 1 SDF_E_CORRUPT 2 a4"},
               {"job 2 2", "open 1 go 1.0.0 a5r"}}},
    {"what the driver made can't be made again",
     "1:1* 2:1<1",
     .steps = {{"job 1 2", "open 2 go 2.0.0 a1"}, {"bad 1 1.0.0 0", "lost 1 SDF_E_CORRUPT 2 a1"}}},
    {"a rerun of the same data: what was committed stays",
     "1:1 2:2<1 3:1<2",
     .concurrency = 1,
     .steps = {{"job 1 3", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2"},
               {"ok! 2 8", "jrn 2 go 2.1.0 a3 task 2.0/1"},
               {"bad 3 1.0.0 1", "again 1.0 go 1.0.0 a4r"},
               {"ok! 4 5", "jrn 4 del 1 task 1.0/1 full 1 go 2.1.0 a5"},
               {"ok! 5 8", "jrn 5 task 2.1/1 full 2 open 3 go 3.0.0 a6"}}},
    {"a rerun of other data: what was made from it is undone, and made again",
     "1:1 2:3<1 3:1<2",
     .steps = {{"job 1 3", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2 go 2.1.0 a3 go 2.2.0 a4"},
               {"ok! 2 8", "jrn 2 task 2.0/1"},
               {"bad 3 1.0.0 1", "again 1.0 go 1.0.0 a5r"},
               {"ok 5 99", "again 2.0 undo 2 del 2 stop 4 jrn 5"},
               {"ok 4 8", "del 4"},
               {"jrn 5", "del 1 task 1.0/1 full 1 open 2 go 2.0.0 a6 go 2.1.0 a7 go 2.2.0 a8"}}},
    {"a record on its way is undone too",
     "1:1 2:2<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2 go 2.1.0 a3"},
               {"ok 2 8", "jrn 2"},
               {"bad 3 1.0.0 1", "again 1.0 go 1.0.0 a4r"},
               {"ok 4 99", "jrn 4"},
               {"jrn 2", "undo 2 del 2"},
               {"jrn 4", "del 1 task 1.0/1 full 1 open 2 go 2.0.0 a5 go 2.1.0 a6"}}},
    {"undone down to grandchildren, the nearest first",
     "1:1 2:1<1 3:2<2,1",
     .steps = {{"job 1 3", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2"},
               {"ok! 2 6", "jrn 2 task 2.0/1 full 2 open 3 go 3.0.0 a3 go 3.1.0 a4"},
               {"ok! 3 7", "jrn 3 task 3.0/1"},
               {"bad 4 1.0.0 1", "again 1.0 go 1.0.0 a5r"},
               {"ok 5 99", "again 2.0 undo 2 del 2 again 3.0 undo 3 del 3 jrn 5"},
               {"jrn 5", "del 1 task 1.0/1 full 1 open 2 go 2.0.0 a6"},
               {"ok! 6 6", "jrn 6 task 2.0/1 full 2 open 3 go 3.0.0 a7 go 3.1.0 a8"}}},
    {"what was handed out can't be undone: the job fails, naming the producer",
     "1:1 2:2<1!",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2 go 2.1.0 a3"},
               {"ok! 2 8", "jrn 2 task 2.0/1"},
               {"bad 3 1.0.0 1", "again 1.0 go 1.0.0 a4r"},
               {"ok 4 99", "lost 1 SDF_E_NONDETERMINISTIC 1 del 4"},
               {"drop 2", "del 2"},
               {"drop 1", "del 1"},
               {"@1100 tick", "del 3"}}},
    {"nothing handed out yet: started again with the new data",
     "1:1 2:2<1!",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2 go 2.1.0 a3"},
               {"bad 3 1.0.0 1", "again 1.0 go 1.0.0 a4r"},
               {"ok! 4 99", "stop 2 jrn 4 del 1 task 1.0/1 full 1 open 2 go 2.0.0 a5 go 2.1.0 a6"}}},
    {"another job needs the data too, and has handed out nothing",
     "1:1 2:2<1! 3:2<1",
     .concurrency = 3,
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"job 2 3", ""},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2 go 2.1.0 a3 open 3 go 3.0.0 a4"},
               {"ok! 2 8", "jrn 2 go 3.1.0 a5 task 2.0/1"},
               {"bad 3 1.0.0 1", "again 1.0 go 1.0.0 a6r"},
               {"ok! 6 99", "lost 1 SDF_E_NONDETERMINISTIC 1 stop 4 stop 5 jrn 6 del 1 task 1.0/1 full 1 open 3 "
                            "go 3.0.0 a7"}}},
    {"a leg in the middle is made again",
     "1:1 2:1<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"cut! 1 5", "jrn 1 go 1.0.1 a2"},
               {"ok! 2 6", "jrn 2 task 1.0/2 full 1 open 2 go 2.0.0 a3"},
               {"bad 3 1.0.0 1", "again 1.0 go 1.0.0 a4r"},
               {"cut! 4 5", "jrn 4 del 1 task 1.0/2 full 1 go 2.0.0 a5"}}},
    {"a leg in the middle that no longer ends with a cut",
     "1:1 2:1<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"cut! 1 5", "jrn 1 go 1.0.1 a2"},
               {"ok! 2 6", "jrn 2 task 1.0/2 full 1 open 2 go 2.0.0 a3"},
               {"bad 3 1.0.0 1", "again 1.0 go 1.0.0 a4r"},
               {"ok! 4 5", "lost 1 SDF_E_NONDETERMINISTIC 1 del 4"}}},
    {"a last leg that now ends with a cut",
     "1:1 2:1<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2"},
               {"bad 2 1.0.0 1", "again 1.0 go 1.0.0 a3r"},
               {"cut! 3 5", "jrn 3 del 1 go 1.0.1 a4"},
               {"ok! 4 6", "jrn 4 task 1.0/2 full 1 open 2 go 2.0.0 a5"}}},
    {"a producer's producer",
     "1:1 2:1<1 3:1<2",
     .steps = {{"job 1 3", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2"},
               {"ok! 2 6", "jrn 2 task 2.0/1 full 2 open 3 go 3.0.0 a3"},
               {"bad 3 2.0.0 2", "again 2.0 go 2.0.0 a4r"},
               {"bad 4 1.0.0 1", "again 1.0 go 1.0.0 a5r"},
               {"ok! 5 5", "jrn 5 del 1 task 1.0/1 full 1 go 2.0.0 a6r"},
               {"ok! 6 6", "jrn 6 del 2 task 2.0/1 full 2 go 3.0.0 a7"}}},
    {"samples are bound before, once",
     "1:1 2:1~1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 bind 2"},
               {"tick", ""},
               {"bound 2", "open 2 go 2.0.0 a2"},
               {"bound 2", ""}}},
    {"a binding stays when the sampled data is made again",
     "1:1 2:1<1~1 3:1<2",
     .steps = {{"job 1 3", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 bind 2"},
               {"bound 2", "open 2 go 2.0.0 a2"},
               {"bad 2 1.0.0 1", "again 1.0 go 1.0.0 a3r"},
               {"ok! 3 99", "jrn 3 del 1 task 1.0/1 full 1 open 2 go 2.0.0 a4"}}},
    {"a binding that a cancelled job asked for is asked for again",
     "1:1 2:1~1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 bind 2"},
               {"cancel 1", ""},
               {"job 2 2", "bind 2"},
               {"bound 2", "open 2 go 2.0.0 a2"}}},
    {"two jobs share a stage; the end of one doesn't stop the other",
     "1:2 2:1<1 3:1<1",
     .concurrency = 1,
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"job 2 3", ""},
               {"cancel 1", ""},
               {"ok! 1 5", "jrn 1 go 1.1.0 a2 task 1.0/1"},
               {"cancel 1", ""},
               {"cancel 2", "stop 2"},
               {"ok 2 5", "del 2"},
               {"job 3 2", "open 1 go 1.1.0 a3"},
               {"ok! 3 5", "jrn 3 task 1.1/1 full 1 open 2 go 2.0.0 a4"}}},
    {"a record that comes after its job was cancelled is kept for the next",
     "1:2",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2"},
               {"ok 1 5", "jrn 1"},
               {"cancel 1", "stop 2"},
               {"jrn 1", "task 1.0/1"},
               {"fail 2 LOST", ""},
               {"job 2 1", "open 1 go 1.1.0 a3"}}},
    {"all jobs of a failed stage fail; a later one tries afresh",
     "1:2 2:1<1 3:1<1 4:1",
     .retries = -1,
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1 go 1.1.0 a2"},
               {"job 2 3", ""},
               {"job 3 4", "open 4 go 4.0.0 a3"},
               {"ok! 1 5", "jrn 1 task 1.0/1"},
               {"fail 2 USER", "lost 1 SDF_E_USER 1 a2 lost 2 SDF_E_USER 1 a2"},
               {"job 4 2", "open 1 go 1.1.0 a4"},
               {"ok! 3 1", "jrn 3 task 4.0/1 full 4 done 3"}}},
    {"a stopped attempt holds its place until it answers",
     "1:1 2:1",
     .concurrency = 1,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1"},
               {"cancel 1", "stop 1"},
               {"job 2 2", ""},
               {"fail 1 LOST", "open 2 go 2.0.0 a2"},
               {"cancel 2", "stop 2"},
               {"job 3 1", ""},
               {"@1099 tick", ""},
               {"@1100 tick", "del 1 del 2 open 1 go 1.0.0 a3"}}},
    {"dropped: its commits go now, what runs when it is over",
     "1:4 2:1<1",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2 go 1.2.0 a3 go 1.3.0 a4"},
               {"ok! 1 5", "jrn 1 task 1.0/1"},
               {"ok 2 5", "jrn 2"},
               {"fail 3 USER", ""},
               {"cancel 1", "stop 4"},
               {"drop 1", "del 1"},
               {"drop 1", ""},
               {"jrn 2", "undo 2 del 2"},
               {"ok 4 5", "del 4"},
               {"@1100 tick", "del 3"},
               {"job 2 2", "lost 2 SDF_E_NOT_FOUND 2"}}},
    {"a stage in use is dropped: the job doesn't wait for ever",
     "1:2",
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2"},
               {"ok! 1 5", "jrn 1 task 1.0/1"},
               {"drop 1", "lost 1 SDF_E_INVALID 1 del 1 stop 2"}}},
    {"the data of a dropped stage is bad",
     "1:1 2:1<1",
     .steps = {{"job 1 2", "open 1 go 1.0.0 a1"},
               {"ok! 1 5", "jrn 1 task 1.0/1 full 1 open 2 go 2.0.0 a2"},
               {"bad 2 9.0.0 1", "lost 1 SDF_E_CORRUPT 2 a2"}}},
    {"timers: the earliest that is needed, and no others",
     "1:2",
     .timers = true,
     .steps = {{"job 1 1", "open 1 go 1.0.0 a1 go 1.1.0 a2 at 1100"},
               {"@50 ok! 1 1", "jrn 1 task 1.0/1"},
               {"@1000 tick", ""},
               {"@1100 tick", "stop 2 at 1111"},
               {"@1111 tick", "go 1.1.0 a3#1 at 2211"},
               {"@1200 ok! 3 1", "del 2 jrn 3 task 1.1/1 full 1 done 1"},
               {"@2211 tick", ""}}},
    {"time never goes back",
     "1:1",
     .steps = {{"@5000 job 1 1", "open 1 go 1.0.0 a1"}, {"@10 tick", ""}, {"@6100 tick", "stop 1"}}},
};

/* ---- telling them ---- */

static const char *const classes[] = {"NONE", "TRANSIENT", "THROTTLED", "TIMEOUT", "MEMORY",
                                      "LOST", "USER",      "UPSTREAM",  "FATAL"};

static void add_stages(sched *s, const char *text)
{
    while (*text) {
        uint32_t parents[8];
        sched_stage st = {.parents = parents};
        char *at;
        st.id = (uint32_t)strtoul(text, &at, 10);
        st.tasks = (uint32_t)strtoul(at + 1, &at, 10);
        for (; *at && *at != ' ';) {
            char c = *at++;
            if (c == '<' || c == ',')
                parents[st.parent_count++] = (uint32_t)strtoul(at, &at, 10);
            else if (c == '~')
                st.bind = (uint32_t)strtoul(at, &at, 10);
            else if (c == '!')
                st.publishes = true;
            else
                st.done = true;
        }
        assert_int_equal(sched_add_stage(s, &st), SDF_OK);
        text = *at ? at + 1 : at;
    }
}

/* True: its record's JOURNALED follows. */
static bool parse_event(const char *text, sched_event *e)
{
    char verb[16], class[16];
    unsigned a = 0, b = 0, t = 0, l = 0;
    unsigned long long bad = 0;
    memset(e, 0, sizeof *e);
    assert_true(sscanf(text, "%15s %u %u", verb, &a, &b) >= 1);
    char *now = strchr(verb, '!');
    if (now)
        *now = 0;
    if (!strcmp(verb, "job") || !strcmp(verb, "cancel")) {
        e->kind = verb[0] == 'j' ? SCHED_JOB : SCHED_CANCEL;
        e->job = a;
        e->stage = b;
    } else if (!strcmp(verb, "ok") || !strcmp(verb, "cut") || !strcmp(verb, "slow")) {
        e->kind = SCHED_COMMITTED;
        e->attempt = a;
        e->fingerprint = b;
        e->cut = verb[0] == 'c';
        e->throttled = verb[0] == 's';
    } else if (!strcmp(verb, "fail")) {
        e->kind = SCHED_FAILED;
        e->attempt = a;
        assert_int_equal(sscanf(text, "%*s %*u %15s", class), 1);
        for (unsigned i = 0; i < sizeof classes / sizeof *classes; i++)
            if (!strcmp(class, classes[i]))
                e->failure = (failure_class)i;
        assert_int_not_equal(e->failure, FAILURE_NONE);
    } else if (!strcmp(verb, "bad")) {
        assert_int_equal(sscanf(text, "%*s %*u %u.%u.%u %llu", &b, &t, &l, &bad), 4);
        *e = (sched_event){.kind = SCHED_FAILED, .attempt = a, .failure = FAILURE_UPSTREAM, .bad_stage = b,
                           .bad_task = t, .bad_leg = l, .bad_attempt = bad};
    } else if (!strcmp(verb, "jrn")) {
        e->kind = SCHED_JOURNALED;
        e->record = a;
    } else if (!strcmp(verb, "bound") || !strcmp(verb, "drop")) {
        e->kind = verb[0] == 'b' ? SCHED_BOUND : SCHED_DROP;
        e->stage = a;
    } else if (!strcmp(verb, "cap")) {
        e->kind = SCHED_CONCURRENCY;
        e->value = a;
    } else if (!strcmp(verb, "refused")) {
        e->kind = SCHED_REFUSED;
        e->attempt = a;
    } else {
        assert_string_equal(verb, "tick");
        e->kind = SCHED_TICK;
    }
    return now != NULL;
}

static size_t tell(char *out, size_t room, const sched_action *x, bool timers)
{
    unsigned long long a = x->attempt;
    switch (x->kind) {
    case SCHED_LAUNCH: {
        char number[16] = "";
        if (x->number)
            snprintf(number, sizeof number, "#%u", x->number);
        return (size_t)snprintf(out, room, "go %u.%u.%u a%llu%s%s ", x->stage, x->task, x->leg, a, number,
                                x->rerun ? "r" : "");
    }
    case SCHED_STOP:
        return (size_t)snprintf(out, room, "stop %llu ", a);
    case SCHED_JOURNAL:
        assert_true(x->record != 0);
        return (size_t)snprintf(out, room, "jrn %llu ", a);
    case SCHED_DISCARD:
        return (size_t)snprintf(out, room, "del %llu ", a);
    case SCHED_UNPUBLISH:
        return (size_t)snprintf(out, room, "undo %llu ", a);
    case SCHED_BIND:
        return (size_t)snprintf(out, room, "bind %u ", x->stage);
    case SCHED_STAGE_STARTED:
        return (size_t)snprintf(out, room, "open %u ", x->stage);
    case SCHED_STAGE_DONE:
        return (size_t)snprintf(out, room, "full %u ", x->stage);
    case SCHED_TASK_DONE:
        return (size_t)snprintf(out, room, "task %u.%u/%u ", x->stage, x->task, x->leg + 1);
    case SCHED_TASK_UNDONE:
        return (size_t)snprintf(out, room, "again %u.%u ", x->stage, x->task);
    case SCHED_JOB_DONE:
        return (size_t)snprintf(out, room, "done %u ", x->job);
    case SCHED_JOB_FAILED:
        return (size_t)snprintf(out, room, a ? "lost %u %s %u a%llu " : "lost %u %s %u ", x->job,
                                sdf_status_name(x->status), x->stage, a);
    case SCHED_TIMER:
        return timers ? (size_t)snprintf(out, room, "at %lld ", (long long)x->at_ms) : 0;
    }
    fail_msg("unknown action %d", (int)x->kind);
    return 0;
}

static int32_t setting(int32_t given, int32_t usual)
{
    return given < 0 ? 0 : given ? given : usual;
}

static sched *begin(const history *h)
{
    sched_config c;
    sched_config_init(&c);
    c.seed = 3;
    c.concurrency = (uint32_t)setting(h->concurrency, 100);
    c.retries = (uint32_t)setting(h->retries, 1);
    c.reruns = (uint32_t)setting(h->reruns, 1);
    c.task_timeout_ms = setting(h->lease, 1000);
    c.lease_grace_ms = setting(h->grace, 100);
    c.backoff_ms = 100;
    c.backoff_max_ms = 400;
    c.legs_max = (uint32_t)setting(h->legs_max, 9);
    sched *s = sched_new(&c);
    assert_non_null(s);
    add_stages(s, h->stages);
    return s;
}

typedef struct answer {
    char text[4096];
    size_t size;
} answer;

static void feed(sched *s, const sched_event *e, int64_t now, bool timers, answer *said)
{
    const sched_action *actions;
    size_t count;
    assert_int_equal(sched_on_event(s, e, now, &actions, &count), SDF_OK);
    for (size_t k = 0; k < count; k++)
        said->size += tell(said->text + said->size, sizeof said->text - said->size, &actions[k], timers);
}

/* False: said so. */
static bool run_history(const history *h)
{
    bool good = true;
    sched *s = begin(h);
    int64_t now = 0;
    for (size_t i = 0; i < STEPS && h->steps[i][0] && good; i++) {
        const char *text = h->steps[i][0];
        answer said = {"", 0};
        if (*text == '@') {
            char *end;
            now = strtoll(text + 1, &end, 10);
            text = end + 1;
        }
        sched_event e;
        bool journaled = parse_event(text, &e);
        feed(s, &e, now, h->timers, &said);
        if (journaled)
            feed(s, &(sched_event){.kind = SCHED_JOURNALED, .record = e.attempt}, now, h->timers, &said);
        if (said.size)
            said.text[said.size - 1] = 0;
        good = strcmp(said.text, h->steps[i][1]) == 0;
        if (!good)
            print_error("%s: step %zu \"%s\"\n  said      %s\n  should be %s\n", h->name, i, h->steps[i][0],
                        said.text, h->steps[i][1]);
    }
    sched_free(s);
    return good;
}

static void test_histories(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof histories / sizeof *histories; i++)
        failed += !run_history(&histories[i]);
    assert_int_equal(failed, 0);
}

static void test_stages_refused(void **state)
{
    (void)state;
    sched_config c;
    sched_config_init(&c);
    sched *s = sched_new(&c);
    uint32_t unknown = 9;
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 1, .tasks = 1}), SDF_OK);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 1, .tasks = 1}), SDF_E_INVALID);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 0, .tasks = 1}), SDF_E_INVALID);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 2, .tasks = 1, .parents = &unknown, .parent_count = 1}),
                     SDF_E_INVALID);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 2, .tasks = 1, .bind = 9}), SDF_E_INVALID);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 2, .tasks = 1}), SDF_OK);
    sched_counts counts;
    assert_false(sched_stage_counts(s, 9, &counts));
    assert_true(sched_stage_counts(s, 2, &counts));
    assert_int_equal(counts.tasks, 1);
    sched_free(s);
    sched_free(NULL);
}

static void test_size(void **state)
{
    (void)state;
    sched_config c;
    sched_config_init(&c);
    sched *s = sched_new(&c);
    const sched_action *actions;
    size_t count;
    uint64_t before = sched_bytes(s);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 1, .tasks = 1000000}), SDF_OK);
    assert_true(sched_bytes(s) - before < 100ull * 1000000);
    sched_on_event(s, &(sched_event){.kind = SCHED_JOB, .job = 1, .stage = 1}, 0, &actions, &count);
    for (uint64_t a = 1; a <= 1000000; a++) {
        sched_on_event(s, &(sched_event){.kind = SCHED_COMMITTED, .attempt = a}, 0, &actions, &count);
        sched_on_event(s, &(sched_event){.kind = SCHED_JOURNALED, .record = a}, 0, &actions, &count);
    }
    assert_int_equal(actions[count - 1].kind, SCHED_JOB_DONE);
    assert_true(sched_bytes(s) - before < 100ull * 1000000);
    sched_counts counts;
    sched_stage_counts(s, 1, &counts);
    assert_int_equal(counts.done, 1000000);
    assert_int_equal(counts.running, 0);
    assert_int_equal(counts.attempts, 1000000);
    sched_on_event(s, &(sched_event){.kind = SCHED_DROP, .stage = 1}, 0, &actions, &count);
    assert_int_equal(count, 1000000);
    sched_on_event(s, &(sched_event){.kind = SCHED_TICK}, 0, &actions, &count);
    assert_true(sched_bytes(s) < before + 100000); /* nothing stays behind */
    sched_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_stages_refused),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests_name("sched: histories", tests, NULL, NULL);
}
