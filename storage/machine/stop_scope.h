#ifndef ACTKIN_STORAGE_MACHINE_STOP_SCOPE_H_
#define ACTKIN_STORAGE_MACHINE_STOP_SCOPE_H_

#include <atomic>
#include <functional>

namespace actkin {

// Lets others end a thread's long work over rows: while a scope lives, a WorkTeam that is asked on its thread throws
// Error kInterrupted before its next piece once the flag is true. Of scopes one within the other the innermost counts.
class StopScope {
 public:
  // stop: outlives this object and may be set by any thread; null: nobody stops.
  explicit StopScope(const std::atomic<bool>* stop);
  ~StopScope();
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;

  // Of the calling thread; null where nobody stops it.
  static const std::atomic<bool>* Current();

 private:
  const std::atomic<bool>* outer_;
};

// Lets a thread see to something while it works over rows: while a scope lives, a WorkTeam that is asked on its thread
// calls `look` there before each piece that this thread takes, often many times a millisecond. Of scopes one within the
// other the innermost counts.
class LookScope {
 public:
  // look: outlives this object; does not throw. It may set what a StopScope reads.
  explicit LookScope(const std::function<void()>& look);
  ~LookScope();
  LookScope(const LookScope&) = delete;
  LookScope& operator=(const LookScope&) = delete;

  // Of the calling thread; null where there is none.
  static const std::function<void()>* Current();

 private:
  const std::function<void()>* outer_;
};

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_STOP_SCOPE_H_
