#include "storage/machine/stop_scope.h"

#include <utility>

namespace actkin {
namespace {

thread_local const std::atomic<bool>* current_stop = nullptr;

}  // namespace

StopScope::StopScope(const std::atomic<bool>* stop) : outer_(std::exchange(current_stop, stop)) {}

StopScope::~StopScope() { current_stop = outer_; }

const std::atomic<bool>* StopScope::Current() { return current_stop; }

}  // namespace actkin
