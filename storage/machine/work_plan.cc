#include "storage/machine/work_plan.h"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "schema/error.h"
#include "storage/machine/file.h"

namespace actkin {
namespace {

using Clock = std::chrono::steady_clock;
using json = nlohmann::json;

std::uint64_t ChecksumOf(const json& map) {
  const std::string text = map.dump();
  return XXH3_64bits(text.data(), text.size());
}

// One call of DoBatches: the calling thread reports and makes checkpoints.
class Batches {
 public:
  Batches(WorkFolder& work, const WorkOptions& options, ProgressListener& progress, const std::function<void()>& flush)
      : work_(work), options_(options), progress_(progress), flush_(flush), already_(work.items_done()) {}

  void Run(const std::function<BatchMaker()>& new_maker) {
    progress_.Begin(options_.step, work_.plan().items, options_.unit);
    progress_.Advance(already_, already_);
    if (options_.threads > 0) {
      RunInThreads(new_maker);
    } else {
      Guard([&] { RunHere(new_maker()); });
    }
    if (failure_) {
      // A second failure (the disk is full) must not hide the first.
      try {
        work_.Save(flush_);
      } catch (const Error&) {
      }
      std::rethrow_exception(failure_);
    }
    work_.Save(flush_);
    progress_.End();
  }

 private:
  void RunHere(const BatchMaker& make) {
    while (const std::optional<std::uint64_t> batch = work_.Take()) {
      work_.SetDone(*batch, make(*batch));
      Report();
    }
  }

  void RunInThreads(const std::function<BatchMaker()>& new_maker) {
    std::vector<std::jthread> workers;
    working_ = std::min(static_cast<std::uint64_t>(options_.threads), work_.batches_left());
    const std::uint64_t threads = working_;
    for (std::uint64_t i = 0; i < threads; ++i) workers.emplace_back([&] { Work(new_maker); });
    std::unique_lock lock(mutex_);
    while (working_ > 0) {
      changed_.wait_for(lock, std::chrono::milliseconds(200));
      lock.unlock();
      Guard([this] { Report(); });
      lock.lock();
    }
    lock.unlock();
    Guard([this] { Report(); });  // they may have been quicker than that
  }

  void Work(const std::function<BatchMaker()>& new_maker) {
    Guard([&] {
      const BatchMaker make = new_maker();
      while (const std::optional<std::uint64_t> batch = work_.Take()) {
        work_.SetDone(*batch, make(*batch));
        changed_.notify_all();
      }
    });
    const std::scoped_lock lock(mutex_);
    --working_;
    changed_.notify_all();
  }

  void Report() {
    progress_.Advance(work_.items_done(), already_);
    if (std::chrono::duration<double>(Clock::now() - saved_).count() < options_.checkpoint_seconds) return;
    work_.Save(flush_);
    saved_ = Clock::now();
  }

  // Remembers the first failure; workers stop at their next batch.
  template <typename Action>
  void Guard(const Action& action) {
    try {
      action();
    } catch (...) {
      work_.Stop();
      const std::scoped_lock lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  WorkFolder& work_;
  const WorkOptions& options_;
  ProgressListener& progress_;
  const std::function<void()>& flush_;
  const std::uint64_t already_;
  Clock::time_point saved_ = Clock::now();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::uint64_t working_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

RowRange WorkPlan::Items(std::uint64_t batch) const {
  return {batch * batch_items, std::min((batch + 1) * batch_items, items)};
}

RowRange WorkPlan::Part(std::uint64_t part, std::uint64_t parts) const {
  const std::uint64_t each = batches() / parts;
  const std::uint64_t longer = batches() % parts;  // the first ones
  const auto begin = [&](std::uint64_t number) { return number * each + std::min(number, longer); };
  return {begin(part), begin(part + 1)};
}

WorkFolder::WorkFolder(std::filesystem::path folder, WorkPlan plan, RowRange batches,
                       std::vector<std::filesystem::path> published, std::size_t sums)
    : folder_(std::move(folder)),
      plan_(std::move(plan)),
      batches_(batches),
      published_(std::move(published)),
      done_(batches.size(), false),
      sums_(sums, 0) {
  const std::optional<std::vector<std::uint64_t>> read = Read();
  for (std::size_t i = 0; i < published_.size(); ++i) {
    if (read && !std::filesystem::exists(File(i)) && std::filesystem::exists(published_[i])) {
      RenameDurably(published_[i], File(i));
    }
  }
  const std::vector<std::uint64_t> sizes = Sizes();
  continued_ = read && std::ranges::equal(sizes, *read, std::ranges::greater_equal());
  if (continued_) return;
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
  done_.assign(batches_.size(), false);
  std::ranges::fill(sums_, 0);
  items_done_ = 0;
}

std::filesystem::path WorkFolder::File(std::size_t index) const { return folder_ / published_.at(index).filename(); }

std::filesystem::path WorkFolder::MapPath() const { return folder_ / "progress.json"; }

std::string WorkFolder::Encoded() const {
  std::string done;
  for (const bool batch : done_) done += batch ? '1' : '0';
  const json map = {{"fingerprint", plan_.fingerprint},
                    {"items", plan_.items},
                    {"batch_items", plan_.batch_items},
                    {"first_batch", batches_.begin},
                    {"done", done},
                    {"sums", sums_},
                    {"sizes", Sizes()}};
  return json{{"map", map}, {"checksum", ChecksumOf(map)}}.dump();
}

std::vector<std::uint64_t> WorkFolder::Sizes() const {
  std::vector<std::uint64_t> sizes;
  for (std::size_t i = 0; i < published_.size(); ++i) {
    std::error_code missing;
    const std::uintmax_t size = std::filesystem::file_size(File(i), missing);
    sizes.push_back(missing ? 0 : size);
  }
  return sizes;
}

std::optional<std::vector<std::uint64_t>> WorkFolder::Read() {
  if (!std::filesystem::is_regular_file(MapPath())) return std::nullopt;
  try {
    const json object = json::parse(ReadFile(MapPath()));
    const json& map = object.at("map");
    if (object.at("checksum").get<std::uint64_t>() != ChecksumOf(map)) return std::nullopt;
    const auto done = map.at("done").get<std::string>();
    const auto sums = map.at("sums").get<std::vector<std::uint64_t>>();
    const bool ours = map.at("fingerprint").get<std::string>() == plan_.fingerprint &&
                      map.at("items").get<std::uint64_t>() == plan_.items &&
                      map.at("batch_items").get<std::uint64_t>() == plan_.batch_items &&
                      map.at("first_batch").get<std::uint64_t>() == batches_.begin && done.size() == done_.size() &&
                      sums.size() == sums_.size();
    if (!ours) return std::nullopt;
    for (std::size_t i = 0; i < done.size(); ++i) {
      done_[i] = done[i] == '1';
      if (done_[i]) items_done_ += plan_.Items(batches_.begin + i).size();
    }
    sums_ = sums;
    return map.at("sizes").get<std::vector<std::uint64_t>>();
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

std::uint64_t WorkFolder::batches_left() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::uint64_t>(std::ranges::count(done_, false));
}

std::uint64_t WorkFolder::items_done() const {
  const std::scoped_lock lock(mutex_);
  return items_done_;
}

std::vector<std::uint64_t> WorkFolder::sums() const {
  const std::scoped_lock lock(mutex_);
  return sums_;
}

std::optional<std::uint64_t> WorkFolder::Take() {
  const std::scoped_lock lock(mutex_);
  while (next_ < done_.size() && done_[next_]) ++next_;
  if (stopped_ || next_ == done_.size()) return std::nullopt;
  return batches_.begin + next_++;
}

void WorkFolder::SetDone(std::uint64_t batch, std::span<const std::uint64_t> shares) {
  const std::scoped_lock lock(mutex_);
  done_.at(batch - batches_.begin) = true;
  items_done_ += plan_.Items(batch).size();
  for (std::size_t i = 0; i < shares.size(); ++i) sums_.at(i) += shares[i];
}

void WorkFolder::Stop() {
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
}

void WorkFolder::Save(const std::function<void()>& flush) {
  std::string encoded;
  {
    const std::scoped_lock lock(mutex_);
    encoded = Encoded();
  }
  flush();
  ReplaceFile(MapPath(), encoded);
}

void WorkFolder::Forget() const { std::filesystem::remove(MapPath()); }

void WorkFolder::Remove() const { std::filesystem::remove_all(folder_); }

void DoBatches(WorkFolder& work, const WorkOptions& options, ProgressListener& progress,
               const std::function<void()>& flush, const std::function<BatchMaker()>& new_maker) {
  Batches(work, options, progress, flush).Run(new_maker);
}

}  // namespace actkin
