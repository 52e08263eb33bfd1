# needs: /usr/lib/postgresql/15/bin/postgres runuser

b=/usr/lib/postgresql/15/bin; chmod 777 $PWD
pg() { runuser -u nobody -- env LC_ALL=C "$@"; }
pg $b/initdb -D $PWD/d -A trust -N >/dev/null 2>&1; echo $?
pg $b/pg_ctl -D $PWD/d -w -l $PWD/log -o "-k $PWD -h '' -c shared_buffers=1MB -c fsync=off" start >/dev/null; echo $?
pg $b/psql -h $PWD -d postgres -U nobody -Atc "copy (select 1) to program 'cat > /dev/null; exit 3'" 2>&1 | head -2
pg $b/psql -h $PWD -d postgres -U nobody -Atc "create table t(a int); insert into t select generate_series(1,1000); select sum(a) from t"
k=$(pg $b/psql -h $PWD -d postgres -U nobody -Atc "select pid from pg_stat_activity where backend_type='background writer'"); kill -9 $k
i=0; until grep -q 'all server processes terminated; reinitializing' log || test $i -gt 300; do sleep 0.02; i=$((i+1)); done; grep -c 'was terminated by signal 9' log
i=0; until pg $b/psql -h $PWD -d postgres -U nobody -Atc "select count(*) from t" 2>/dev/null || test $i -gt 100; do sleep 0.1; i=$((i+1)); done
pg $b/pg_ctl -D $PWD/d -w stop >/dev/null; echo $?
