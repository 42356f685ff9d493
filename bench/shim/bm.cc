/* SPDX-License-Identifier: MIT */
/* bm.cc - Google Benchmark for C: the only C++ in the project. */
#include "bm.h"

#include <benchmark/benchmark.h>

#include <condition_variable>
#include <mutex>

struct bm_run {
    benchmark::State &state;
};

namespace
{

/* One case runs at a time, so one barrier is enough for all. */
class barrier
{
  public:
    void wait(int n_threads)
    {
        std::unique_lock<std::mutex> hold(mutex_);
        const unsigned round = round_;
        if (++here_ == n_threads) {
            here_ = 0;
            round_++;
            all_here_.notify_all();
            return;
        }
        all_here_.wait(hold, [&] { return round_ != round; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable all_here_;
    int here_ = 0;
    unsigned round_ = 0;
};

barrier everybody;

void run_case(benchmark::State &state, const bm_case *c)
{
    bm_run run{ state };
    state.SetLabel(c->arg_unit);
    c->fn(&run, state.range(0));
}

void add_case(const bm_case *c)
{
    auto *b = benchmark::RegisterBenchmark(c->name, run_case, c);
    for (const int64_t *a = c->args; *a != -1; a++) {
        b->Arg(*a);
    }
    if (c->max_threads > 1) {
        b->ThreadRange(1, c->max_threads)->UseRealTime();
    }
}

} // namespace

bool bm_next(bm_run *r)
{
    return r->state.KeepRunning();
}

bool bm_next_batch(bm_run *r, int64_t n)
{
    return r->state.KeepRunningBatch(n);
}

void bm_pause(bm_run *r)
{
    r->state.PauseTiming();
}

void bm_resume(bm_run *r)
{
    r->state.ResumeTiming();
}

int bm_thread_index(const bm_run *r)
{
    return r->state.thread_index();
}

int bm_threads(const bm_run *r)
{
    return r->state.threads();
}

void bm_wait_all(bm_run *r)
{
    everybody.wait(r->state.threads());
}

void bm_bytes(bm_run *r, int64_t total)
{
    r->state.SetBytesProcessed(total);
}

void bm_metric(bm_run *r, const char *name_unit, double value)
{
    r->state.counters[name_unit] =
        benchmark::Counter(value, benchmark::Counter::kAvgThreads);
}

void bm_skip(bm_run *r, const char *why)
{
    r->state.SkipWithError(why);
}

int main(int argc, char **argv)
{
    for (const bm_case *c = bm_cases; c->name != nullptr; c++) {
        add_case(c);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
