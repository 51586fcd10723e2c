#include "storage/machine/stop_scope.h"

#include <utility>

namespace actkin {
namespace {

thread_local const std::atomic<bool>* current_stop = nullptr;
thread_local const std::function<void()>* current_look = nullptr;

}  // namespace

StopScope::StopScope(const std::atomic<bool>* stop) : outer_(std::exchange(current_stop, stop)) {}

StopScope::~StopScope() { current_stop = outer_; }

const std::atomic<bool>* StopScope::Current() { return current_stop; }

LookScope::LookScope(const std::function<void()>& look) : outer_(std::exchange(current_look, &look)) {}

LookScope::~LookScope() { current_look = outer_; }

const std::function<void()>* LookScope::Current() { return current_look; }

}  // namespace actkin
